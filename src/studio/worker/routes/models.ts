// The catalogue, for the operator.
import { Hono } from 'hono';
import { ModelChange, ModelEntry } from '../api/model.ts';
import { connectionsOf, type Env } from '../env.ts';
import { Problem, unwrap } from '../problem.ts';
import { bounded, check, JSON_BYTES_MAX, readBody } from '../read-body.ts';
import { type ModelRow, modelStatements, toEntry } from '../store/models.ts';

export const modelRoutes = new Hono<{ Bindings: Env }>();

modelRoutes.get('/models', async (c) => {
  const { results } = await modelStatements(c.env.DB).list().all<ModelRow>();
  return c.json({ models: results.map(toEntry) });
});

modelRoutes.post('/models', bounded(JSON_BYTES_MAX), async (c) => {
  const entry = await readBody(c.req, ModelEntry);
  unwrap(await connectionsOf(c.env).changeModel({ do: 'add', entry }));
  return c.json(entry, 201);
});

modelRoutes.get('/models/:id', async (c) => {
  const { results } = await modelStatements(c.env.DB).list().all<ModelRow>();
  const row = results.find((model) => model.id === c.req.param('id'));
  if (row === undefined) throw new Problem('not_found', 'there is no such model');
  return c.json(toEntry(row));
});

modelRoutes.put('/models/:id', bounded(JSON_BYTES_MAX), async (c) => {
  const change = await readBody(c.req, ModelChange);
  const entry = check(ModelEntry, { ...change, id: c.req.param('id') });
  unwrap(await connectionsOf(c.env).changeModel({ do: 'change', entry }));
  return c.json(entry);
});

modelRoutes.delete('/models/:id', async (c) => {
  return c.json(unwrap(await connectionsOf(c.env).changeModel({ do: 'remove', id: c.req.param('id') })));
});
