// What the platform gives this Worker (wrangler.jsonc, or the embedded studio).
import type { WorkerConnections } from './connections/worker-connections.ts';
import { Limits } from './limits.ts';

export interface Env {
  CONNECTIONS: DurableObjectNamespace<WorkerConnections>;
  DB: D1Database;
  OUTPUTS: R2Bucket;
  /** The operator's bearer token. Without one nobody is the operator. */
  ADMIN_TOKEN?: string;
  /** JSON of some of `Limits`; tests shorten waits with it. */
  LIMITS?: string;
}

export function parseLimits(env: Env): Limits {
  return Limits.parse(env.LIMITS === undefined ? {} : JSON.parse(env.LIMITS));
}

/** One object holds every session, so that "who is free" has one answer. */
export function connectionsOf(env: Env): DurableObjectStub<WorkerConnections> {
  return env.CONNECTIONS.get(env.CONNECTIONS.idFromName('studio'));
}
