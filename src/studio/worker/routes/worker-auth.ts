// Checks a worker's own bearer token.
import { isSafeId } from '../../../protocol/index.ts';
import type { Env } from '../env.ts';
import { Problem } from '../problem.ts';
import { bearerOf, sameHash, sha256Hex } from '../secrets.ts';
import { type WorkerRow, workerStatements } from '../store/workers.ts';

/** The hash of the worker's token. An unknown worker and a wrong token look the same from outside. */
export async function workerTokenHash(env: Env, request: Request, workerId: string): Promise<string> {
  const token = bearerOf(request);
  const row = token && isSafeId(workerId) ? await workerStatements(env.DB).load(workerId).first<WorkerRow>() : null;
  if (!token || !row?.token_hash || !sameHash(await sha256Hex(token), row.token_hash)) {
    throw new Problem('unauthorized', 'the auth token is wrong');
  }
  return row.token_hash;
}
