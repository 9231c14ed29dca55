// Workers, their logs, and their requests to be let in, as the operator API shows them.
import { z } from 'zod';
import { Id, LogEntry, LogLevel, WorkerCapabilities } from '../../../protocol/index.ts';

const ms = z.number().int();

export const WorkerView = z.object({
  id: Id,
  installId: Id,
  label: z.string().optional(),
  online: z.boolean(),
  /** What both ends named in this session; empty when offline. */
  features: z.array(z.string()),
  jobIds: z.array(Id),
  capabilities: WorkerCapabilities,
  createdAt: ms,
  connectedAt: ms.optional(),
  lastSeenAt: ms.optional(),
});
export type WorkerView = z.infer<typeof WorkerView>;
export const WorkerList = z.object({ workers: z.array(WorkerView) });

export const LogLine = LogEntry.extend({ seq: z.number().int() });
export type LogLine = z.infer<typeof LogLine>;
export const LogQuery = z.object({
  limit: z.coerce.number().int().min(1).max(5_000).default(200),
  before: z.coerce.number().int().optional(),
  level: LogLevel.optional(),
});
export type LogQuery = z.infer<typeof LogQuery>;
/** Oldest first; without `before` the newest `limit` lines. */
export const LogList = z.object({ logs: z.array(LogLine) });

export const RegistrationStatus = z.enum(['pending', 'approved', 'rejected']);
export type RegistrationStatus = z.infer<typeof RegistrationStatus>;
export const RegistrationView = z.object({
  id: Id,
  installId: Id,
  status: RegistrationStatus,
  label: z.string().optional(),
  userAgent: z.string(),
  ip: z.string(),
  capabilities: WorkerCapabilities,
  reason: z.string().optional(),
  workerId: Id.optional(),
  createdAt: ms,
  decidedAt: ms.optional(),
});
export type RegistrationView = z.infer<typeof RegistrationView>;
export const RegistrationList = z.object({ requests: z.array(RegistrationView) });
export const RegistrationQuery = z.object({ status: RegistrationStatus.optional() });
export const Approved = z.object({ requestId: Id, workerId: Id });
export const Rejection = z.object({ reason: z.string().max(1024).optional() });
