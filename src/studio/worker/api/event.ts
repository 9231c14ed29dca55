// What the event stream tells: `event:` is `type`, `data:` is the rest as JSON. `at` is in ms since 1970.
import { z } from 'zod';
import { Id, LogEntry, TaskKind } from '../../../protocol/index.ts';
import { JobStatus, Progress } from './job.ts';
import { RegistrationStatus } from './worker.ts';

export const JobEvent = z.object({
  jobId: Id,
  kind: TaskKind,
  model: z.string(),
  status: JobStatus,
  attempts: z.number().int(),
  workerId: Id.optional(),
  acceptedAt: z.number().int().optional(),
  progress: Progress.optional(),
  error: z.object({ code: z.string().optional(), message: z.string() }).optional(),
  at: z.number().int(),
});
export const WorkerEvent = z.object({
  workerId: Id,
  change: z.enum(['online', 'offline', 'updated', 'deleted']),
  at: z.number().int(),
});
export const RegistrationEvent = z.object({
  requestId: Id,
  status: RegistrationStatus,
  machineName: z.string(),
  label: z.string().optional(),
  workerId: Id.optional(),
  at: z.number().int(),
});
export const LogEvent = z.object({ workerId: Id, entries: z.array(LogEntry), at: z.number().int() });

export type StudioEvent =
  | { type: 'job'; data: z.infer<typeof JobEvent> }
  | { type: 'worker'; data: z.infer<typeof WorkerEvent> }
  | { type: 'registration'; data: z.infer<typeof RegistrationEvent> }
  | { type: 'log'; data: z.infer<typeof LogEvent> };
