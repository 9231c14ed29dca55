// The OpenAPI document against the routes that there are: neither may have what the other lacks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openApp } from '../../../src/supervisor/api/app.ts';
import { ROWS } from '../../../src/supervisor/api/openapi-table.ts';
import type { ApiParts } from '../../../src/supervisor/api/parts.ts';
import { openApiRig } from './api-rig.ts';

/** Answered before the routes are asked. */
const BEFORE_ROUTES = ['GET /healthz'];

test('every route is described, and nothing else is', () => {
  // Only asked for its routes, so nothing behind them is needed.
  const { routes } = openApp({ logs: {}, activity: {}, daemon: {}, models: {}, version: '0' } as unknown as ApiParts);
  const real = new Set(
    routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}').replace('*', '{id}')}`),
  );
  const described = ROWS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  assert.deepEqual(described.toSorted(), [...BEFORE_ROUTES, ...real].toSorted());
  assert.equal(new Set(described).size, described.length);
});

test('the document is served, and its parts fit together', async () => {
  await using rig = await openApiRig();
  const { status, text } = await rig.ask('/openapi.json');
  assert.equal(status, 200);
  const document = JSON.parse(text);
  assert.equal(document.openapi, '3.1.0');
  assert.deepEqual(document.paths['/healthz'].get.security, []);
  assert.deepEqual(document.paths['/models/{id}/load'].post.parameters, [
    { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
  ]);
  const image = document.paths['/image'].post;
  assert.deepEqual(image.requestBody.content['application/json'].schema.required, ['prompt']);
  const form = document.paths['/v1/audio/transcriptions'].post.requestBody.content['multipart/form-data'].schema;
  assert.deepEqual(form.properties.file, { type: 'string', format: 'binary' });
  for (const [path, operations] of Object.entries<Record<string, { summary: string; responses: object }>>(
    document.paths,
  )) {
    for (const { summary, responses } of Object.values(operations)) {
      assert.ok(summary.length > 0, path);
      assert.ok('200' in responses, path);
    }
  }
});
