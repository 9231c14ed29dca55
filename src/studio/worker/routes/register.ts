// How a worker asks to be let in: POST a request, then poll it until the operator has decided.
import { Hono } from 'hono';
import { isSafeId, RegisterRequest, type RegisterStatus } from '../../../protocol/index.ts';
import { connectionsOf, type Env, parseLimits } from '../env.ts';
import { Problem } from '../problem.ts';
import { bounded, JSON_BYTES_MAX, readBody } from '../read-body.ts';
import { bearerOf, mintToken, sameHash, sha256Hex } from '../secrets.ts';
import { type RegistrationRow, registrationStatements } from '../store/registrations.ts';
import { workerStatements } from '../store/workers.ts';

export const registerRoutes = new Hono<{ Bindings: Env }>();

registerRoutes.post('/workers/register-request', bounded(JSON_BYTES_MAX), async (c) => {
  const limits = parseLimits(c.env);
  // Cloudflare sets it to the client's address, and so does the embedded studio.
  const ip = c.req.header('cf-connecting-ip') ?? 'unknown';
  const now = Date.now();
  const statements = registrationStatements(c.env.DB);
  const [, counted] = await c.env.DB.batch([
    statements.forgetAttempts(now - limits.registerWindowMs),
    statements.countAttempt(ip, now, limits.registerPerWindow),
  ]);
  if (counted?.meta.changes !== 1) throw new Problem('rate_limited', 'too many register requests from this address');

  const request = await readBody(c.req, RegisterRequest);
  const id = `rr-${crypto.randomUUID()}`;
  const label = request.label ?? request.capabilities.label;
  const [, pending] = await c.env.DB.batch<RegistrationRow>([
    statements.insert({
      id,
      installId: request.installId,
      secretHash: request.registrationSecretHash,
      label: label ?? null,
      userAgent: request.userAgent.slice(0, 256),
      ip,
      capabilities: JSON.stringify(request.capabilities),
      createdAt: now,
    }),
    statements.pendingOf(request.installId, ip),
  ]);
  const requestId = pending?.results[0]?.id ?? id;
  if (requestId === id) {
    const { machineName } = request.capabilities;
    const data = { requestId, status: 'pending' as const, machineName, ...(label && { label }), at: now };
    await connectionsOf(c.env).publish({ type: 'registration', data });
  }
  return c.json({ requestId, status: 'pending' }, 201);
});

registerRoutes.get('/workers/register-requests/:id', async (c) => {
  const id = c.req.param('id');
  const secret = bearerOf(c.req.raw);
  const statements = registrationStatements(c.env.DB);
  const row = isSafeId(id) ? await statements.load(id).first<RegistrationRow>() : null;
  if (row === null) throw new Problem('not_found', 'there is no such register request');
  if (!secret || !sameHash(await sha256Hex(secret), row.secret_hash)) {
    throw new Problem('unauthorized', 'the registration secret is wrong');
  }
  return c.json(await statusOf(c.env, row));
});

async function statusOf(env: Env, row: RegistrationRow): Promise<RegisterStatus> {
  if (row.status === 'pending') return { status: 'pending' };
  if (row.status === 'rejected') return { status: 'rejected', reason: row.reason ?? '' };
  const workerId = row.worker_id ?? '';
  // A fresh token at every poll: the studio cannot repeat one that it has kept only as a hash.
  const authToken = mintToken();
  const { meta } = await workerStatements(env.DB)
    .setToken(workerId, await sha256Hex(authToken))
    .run();
  if (meta.changes !== 1) throw new Problem('not_found', 'the worker of this request was deleted');
  return { status: 'approved', workerId, authToken };
}
