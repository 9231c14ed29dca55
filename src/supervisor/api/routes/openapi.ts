// `GET /openapi.json`: the table of routes as an OpenAPI document.
import { Hono } from 'hono';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { ROWS, type Row } from '../openapi-table.ts';
import type { ApiParts } from '../parts.ts';

export function openApiRoutes({ version }: Pick<ApiParts, 'version'>): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  let document: string | undefined;
  routes.get('/openapi.json', (c) => {
    document ??= JSON.stringify(describe(version));
    return c.body(document, 200, { 'content-type': 'application/json' });
  });
  return routes;
}

function describe(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const row of ROWS) paths[row.path] = { ...paths[row.path], [row.method]: operation(row) };
  return {
    openapi: '3.1.0',
    info: { title: 'studio-worker: the local API', version },
    servers: [{ url: 'http://127.0.0.1:4787' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'the token of local-api.json' } },
    },
  };
}

function operation({ path, summary, query, body, form, answer, statuses = {}, open }: Row): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true },
    schema: { type: 'string' },
  }));
  const { properties = {}, required = [] } = query === undefined ? {} : schemaOf(query);
  const inQuery = Object.entries(properties).map(([name, schema]) => {
    return { name, in: 'query', required: required.includes(name), schema };
  });
  const content = {
    ...(body !== undefined && { 'application/json': { schema: schemaOf(body) } }),
    ...(form !== undefined && { 'multipart/form-data': { schema: schemaOf(form) } }),
  };
  return {
    summary,
    ...(open && { security: [] }),
    parameters: [...inPath, ...inQuery],
    ...(Object.keys(content).length > 0 && { requestBody: { required: true, content } }),
    responses: {
      200: { description: 'ok', content: contentOf(answer) },
      ...Object.fromEntries(Object.entries(statuses).map(([status, description]) => [status, { description }])),
    },
  };
}

function contentOf(answer: Row['answer']): object {
  if ('media' in answer) return Object.fromEntries(answer.media.map((type) => [type, {}]));
  const schema = 'json' in answer ? schemaOf(answer.json) : { type: 'array', items: schemaOf(answer.list) };
  return { 'application/json': { schema } };
}

type ObjectSchema = { type: 'object'; properties: Record<string, object>; required: string[] };

function schemaOf(shape: string): ObjectSchema {
  const properties: Record<string, object> = {};
  const required: string[] = [];
  for (const field of shape.split(' ')) {
    const [name = '', type = 'any'] = field.split(':');
    const plain = name.replace('?', '');
    if (plain === name) required.push(plain);
    properties[plain] = typeSchema(type);
  }
  return { type: 'object', properties, required };
}

function typeSchema(type: string): object {
  if (type === 'any') return {};
  if (type === 'file') return { type: 'string', format: 'binary' };
  return type === 'array' ? { type, items: {} } : { type };
}
