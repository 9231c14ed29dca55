// The reference studio as a Cloudflare Worker: the HTTP routes, and the Durable Object behind the sessions.
import { Hono } from 'hono';
import { API_PREFIX } from '../../protocol/index.ts';
import { operatorOnly } from './admin-auth.ts';
import type { Env } from './env.ts';
import { answerProblem, Problem } from './problem.ts';
import { completeRoutes } from './routes/complete.ts';
import { connectRoutes } from './routes/connect.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { jobRoutes } from './routes/jobs.ts';
import { modelRoutes } from './routes/models.ts';
import { openapiRoutes } from './routes/openapi.ts';
import { registerRoutes } from './routes/register.ts';
import { registrationRoutes } from './routes/registrations.ts';
import { workerRoutes } from './routes/workers.ts';

export { WorkerConnections } from './connections/worker-connections.ts';

const app = new Hono<{ Bindings: Env }>().basePath(API_PREFIX);

for (const open of [healthRoutes, openapiRoutes, registerRoutes, connectRoutes, completeRoutes]) app.route('/', open);

// From here on only the operator gets through, to an unknown path as well.
app.use('*', operatorOnly);
for (const guarded of [jobRoutes, registrationRoutes, workerRoutes, modelRoutes, eventRoutes]) app.route('/', guarded);

app.notFound((c) => answerProblem(new Problem('not_found', 'there is nothing at this address'), c));
app.onError(answerProblem);

export default app;
