// Tells whether two offers with one job id ask for the same work, so that a finished result is only ever delivered for
// the work that it was made for.
import { createHash } from 'node:crypto';
import type { JobClaim } from '../../protocol/index.ts';

/** 64 hex digits. Parsed claims have their keys in schema order, so equal claims give equal text. */
export function claimDigest(claim: JobClaim): string {
  const { model, task, modelSource } = claim;
  return createHash('sha256').update(JSON.stringify({ model, task, modelSource })).digest('hex');
}
