// What an offer carries: one job, claimed for this worker until it answers.
import { z } from 'zod';
import { Id } from './ids.ts';
import { ModelSource } from './model-source.ts';
import { Task } from './task.ts';

/** `vramGbEstimate` is in GiB, as every figure named GB in this protocol. */
export const JobClaim = z.object({
  jobId: Id,
  gameId: z.string(),
  assetName: z.string(),
  model: z.string().min(1),
  vramGbEstimate: z.number().min(0),
  task: Task,
  modelSource: ModelSource,
});
export type JobClaim = z.infer<typeof JobClaim>;
