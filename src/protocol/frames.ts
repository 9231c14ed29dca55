// The frames of a session, as schemas: what a worker sends, and what a studio sends.
import { z } from 'zod';
import { absent } from './absent.ts';
import { WorkerCapabilities } from './capabilities.ts';
import { JobClaim } from './job-claim.ts';
import { LogEntry } from './log-entry.ts';

export const RejectCode = z.enum(['busy', 'paused']);
export type RejectCode = z.infer<typeof RejectCode>;

const jobId = z.string().min(1).max(256);

/** `ratio` is 0 to 1. Sent at most four times a second, and only when both ends named `progress`. */
const Progress = z.object({
  type: z.literal('progress'),
  jobId,
  ratio: z.number().min(0).max(1),
  step: absent(z.number().int().min(0)),
  steps: absent(z.number().int().min(0)),
});

export const WorkerFrame = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    authToken: z.string(),
    capabilities: WorkerCapabilities,
    inFlight: absent(z.array(jobId)),
  }),
  z.object({
    type: z.literal('heartbeat'),
    capabilities: WorkerCapabilities,
    currentJobId: absent(jobId),
    currentJobIds: absent(z.array(jobId)),
  }),
  z.object({ type: z.literal('accept'), jobId }),
  z.object({ type: z.literal('reject'), jobId, reason: z.string(), code: absent(RejectCode) }),
  z.object({ type: z.literal('completeJson'), jobId, result: z.json(), prompt: absent(z.string()) }),
  z.object({
    type: z.literal('fail'),
    jobId,
    error: z.string(),
    retryable: z.boolean(),
    code: absent(z.string()),
  }),
  z.object({ type: z.literal('logBatch'), entries: z.array(LogEntry) }),
  z.object({ type: z.literal('readyForMore') }),
  Progress,
]);
export type WorkerFrame = z.infer<typeof WorkerFrame>;

export const StudioFrame = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    workerId: z.string(),
    serverTime: z.string(),
    features: absent(z.array(z.string())),
    resumed: absent(z.array(jobId)),
  }),
  z.object({ type: z.literal('offer'), claim: JobClaim }),
  z.object({ type: z.literal('heartbeatAck') }),
  z.object({ type: z.literal('completeAck'), jobId }),
  z.object({ type: z.literal('failAck'), jobId }),
  z.object({ type: z.literal('error'), code: z.string(), message: z.string() }),
  z.object({ type: z.literal('cancel'), jobId, reason: absent(z.string()) }),
]);
export type StudioFrame = z.infer<typeof StudioFrame>;
