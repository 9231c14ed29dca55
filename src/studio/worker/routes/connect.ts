// The upgrade to a session: who is it, do we speak the same sub-protocol, then the Durable Object takes the socket.
import { Hono } from 'hono';
import { SUBPROTOCOL } from '../../../protocol/index.ts';
import { TOKEN_HASH_HEADER, WORKER_HEADER } from '../connections/worker-connections.ts';
import { connectionsOf, type Env } from '../env.ts';
import { Problem } from '../problem.ts';
import { workerTokenHash } from './worker-auth.ts';

export const connectRoutes = new Hono<{ Bindings: Env }>();

connectRoutes.get('/workers/:id/connect', async (c) => {
  const workerId = c.req.param('id');
  const tokenHash = await workerTokenHash(c.env, c.req.raw, workerId);
  if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
    throw new Problem('upgrade_required', 'this address takes WebSocket upgrades only');
  }
  const offered = c.req
    .header('sec-websocket-protocol')
    ?.split(',')
    .map((name) => name.trim());
  if (!offered?.includes(SUBPROTOCOL)) {
    throw new Problem('invalid_request', `the upgrade must offer the sub-protocol ${SUBPROTOCOL}`);
  }
  return connectionsOf(c.env).fetch('https://studio/connect', {
    headers: { upgrade: 'websocket', [WORKER_HEADER]: workerId, [TOKEN_HASH_HEADER]: tokenHash },
  });
});
