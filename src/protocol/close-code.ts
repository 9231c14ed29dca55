// Names for the WebSocket close codes and the error codes that studio and worker agree on.
import { z } from 'zod';

/** The sub-protocol both ends must name in the upgrade. */
export const SUBPROTOCOL = 'studio-worker-v1';

/** The path under which a studio serves everything. */
export const API_PREFIX = '/graphics/api';

/**
 * The largest frame either end may send, in bytes. It is the limit of the platform that studios run on (Cloudflare
 * closes a WebSocket on a message above 32 MiB), so a larger one could never have worked.
 */
export const FRAME_BYTES_MAX = 32 * 1024 * 1024;

export const CloseCode = {
  normal: 1000,
  authFailed: 4001,
  protocolViolation: 4002,
  duplicateWorker: 4003,
  workerDeleted: 4004,
} as const;
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

export const ErrorCode = z.enum([
  'auth_failed',
  'protocol_violation',
  'duplicate_worker',
  'worker_deleted',
  'internal_error',
]);
export type ErrorCode = z.infer<typeof ErrorCode>;

const CLOSE_CODES: Record<ErrorCode, CloseCode> = {
  auth_failed: CloseCode.authFailed,
  protocol_violation: CloseCode.protocolViolation,
  duplicate_worker: CloseCode.duplicateWorker,
  worker_deleted: CloseCode.workerDeleted,
  internal_error: CloseCode.normal,
};

/** The close code that follows an `error` frame with this code. */
export function closeCodeOf(code: ErrorCode): CloseCode {
  return CLOSE_CODES[code];
}
