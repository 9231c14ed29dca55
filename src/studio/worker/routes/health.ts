// Is the studio there? It asks the Durable Object, which also wakes it: after a restart it is that waking which lets the
// claims of workers that do not come back run out.
import { Hono } from 'hono';
import { connectionsOf, type Env } from '../env.ts';

export const healthRoutes = new Hono<{ Bindings: Env }>();

healthRoutes.get('/healthz', async (c) => {
  const present = await connectionsOf(c.env).presence();
  return c.json({ ok: true, workers: present.length });
});
