// Catalogue entries: which models the studio can name in a job.
import { z } from 'zod';
import { Id, ModelSource, TaskKind } from '../../../protocol/index.ts';

export const ModelEntry = z.object({
  id: Id,
  displayName: z.string().min(1).max(256),
  kind: TaskKind,
  vramGbEstimate: z.number().min(0),
  source: ModelSource,
});
export type ModelEntry = z.infer<typeof ModelEntry>;

export const ModelChange = ModelEntry.omit({ id: true });
export type ModelChange = z.infer<typeof ModelChange>;

export const ModelList = z.object({ models: z.array(ModelEntry) });
