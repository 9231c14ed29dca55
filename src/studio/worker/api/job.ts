// Jobs as the operator API takes and shows them.
import { z } from 'zod';
import { Id, ModelSource, TaskKind } from '../../../protocol/index.ts';

/** `claimed` covers offered and running (`acceptedAt` tells them apart); `cancelling` waits for the worker's answer. */
export const JobStatus = z.enum(['queued', 'claimed', 'cancelling', 'done', 'failed', 'cancelled']);
export type JobStatus = z.infer<typeof JobStatus>;

/** `params` is the task without its kind. `model` names a catalogue entry, or any model when `modelSource` is given. */
export const NewJob = z.object({
  kind: TaskKind,
  params: z.record(z.string(), z.json()),
  model: z.string().min(1).max(256),
  modelSource: ModelSource.optional(),
  vramGbEstimate: z.number().min(0).optional(),
  gameId: z.string().max(256).optional(),
  assetName: z.string().max(1024).optional(),
});
export type NewJob = z.infer<typeof NewJob>;

export const Progress = z.object({ ratio: z.number(), step: z.number().optional(), steps: z.number().optional() });
export type Progress = z.infer<typeof Progress>;

const ms = z.number().int();

export const JobView = z.object({
  id: Id,
  kind: TaskKind,
  model: z.string(),
  gameId: z.string(),
  assetName: z.string(),
  vramGbEstimate: z.number(),
  status: JobStatus,
  attempts: z.number().int(),
  workerId: Id.optional(),
  createdAt: ms,
  offeredAt: ms.optional(),
  acceptedAt: ms.optional(),
  finishedAt: ms.optional(),
  error: z.object({ code: z.string().optional(), message: z.string() }).optional(),
  output: z.object({ ext: z.string(), bytes: z.number().int(), contentType: z.string() }).optional(),
  progress: Progress.optional(),
  /** Only when one job is asked for: the prompt that came back with the result. */
  prompt: z.string().optional(),
  /** Only when one job is asked for, and its kind answers in JSON. */
  result: z.json().optional(),
});
export type JobView = z.infer<typeof JobView>;

export const JobQuery = z.object({
  status: JobStatus.optional(),
  kind: TaskKind.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: Id.optional(),
});
export type JobQuery = z.infer<typeof JobQuery>;

/** Newest first. `nextBefore` is there when more may follow. */
export const JobList = z.object({ jobs: z.array(JobView), nextBefore: Id.optional() });
export type JobList = z.infer<typeof JobList>;
