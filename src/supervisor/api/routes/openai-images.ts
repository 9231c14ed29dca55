// `/v1/images/…`: pictures from a text, and from a text and a picture.
import { randomInt } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { absent, defaulted } from '../../../protocol/absent.ts';
import type { ImageTask } from '../../../protocol/index.ts';
import type { CatalogueEntry } from '../../models/types.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { clientGone } from '../client-gone.ts';
import { contentTypeOf } from '../content-type.ts';
import { failsAs } from '../fail.ts';
import { type ModelTemperature, runLocal } from '../local-run.ts';
import { type Form, readForm } from '../multipart.ts';
import { editMask } from '../openai/edit-mask.ts';
import { keepAliveMs, SAMPLING, seedOf } from '../openai/sampling.ts';
import type { ApiParts } from '../parts.ts';
import { badRequest } from '../problem.ts';
import { checked, readJson } from '../request-body.ts';

/** OpenAI's. */
const PICTURES_MAX = 10;
const SIZE = /^(\d{1,5})x(\d{1,5})$/;

const Fields = z.object({
  model: absent(z.string()),
  prompt: z.string().min(1, 'must not be empty'),
  n: defaulted(z.int().min(1).max(PICTURES_MAX), 1),
  size: absent(z.string().regex(/^auto$|^\d{1,5}x\d{1,5}$/, 'expected auto, or pixels such as 1024x1024')),
  response_format: absent(z.enum(['b64_json', 'url'])),
  output_format: defaulted(z.enum(['png', 'jpeg', 'webp']), 'png'),
  stream: absent(z.literal(false, 'pictures are not streamed')),
  /** Extensions. */
  ...{ negative_prompt: absent(z.string()), seed: SAMPLING.seed, steps: absent(z.int().min(1).max(1000)) },
  strength: absent(z.number().min(0).max(1)),
  keep_alive: SAMPLING.keep_alive,
});
type Fields = z.output<typeof Fields>;

/** A form has texts only. */
const NUMBERS = ['n', 'seed', 'steps', 'strength'];

type Inputs = Pick<ImageTask, 'initImageUrl' | 'maskUrl'>;

export function openAiImageRoutes(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('openai', parts));
  routes.post('/v1/images/generations', async (c) => draw(c, parts, await readJson(c.env, Fields), {}));
  routes.post('/v1/images/edits', async (c) => {
    const form = await readForm(c.env);
    const fields = checked(fieldsOf(form), Fields);
    const [initImageUrl, ...more] = await form.files('image');
    if (initImageUrl === undefined) throw badRequest('send the picture as the field image', 'image');
    if (more.length > 0) throw badRequest('one picture at a time can be edited', 'image');
    const mask = (await form.files('mask')).at(0);
    return draw(c, parts, fields, { initImageUrl, ...(mask && { maskUrl: await editMask(mask) }) });
  });
  return routes;
}

function fieldsOf(form: Form): unknown {
  const given = Object.keys(Fields.shape).map((name) => {
    const text = form.text(name);
    if (text === 'false' && name === 'stream') return [name, false];
    return [name, text !== undefined && NUMBERS.includes(name) ? Number(text) : text];
  });
  return Object.fromEntries(given);
}

async function draw(c: Context<ApiEnv>, parts: ApiParts, fields: Fields, inputs: Inputs): Promise<Response> {
  const signal = clientGone(c.env.outgoing);
  const seed = seedOf(fields.seed);
  const data: object[] = [];
  const jobIds: string[] = [];
  let temperature: ModelTemperature | undefined;
  // One after the other: they share a model, and whoever asks for ten waits while others get theirs.
  for (let index = 0; index < fields.n; index += 1) {
    const ran = await runLocal(parts, {
      ...{ kind: 'image', model: fields.model, signal },
      task: (entry) => taskOf(fields, inputs, entry, seedFor(index, seed, fields.n)),
      keepAliveMs: keepAliveMs(fields.keep_alive),
    });
    temperature ??= ran.temperature;
    jobIds.push(ran.jobId);
    if (ran.result.kind !== 'bytes') throw new Error('an image model has answered with JSON');
    const { bytes, ext } = ran.result;
    const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    // There is no server that would keep pictures, so an address of one holds all of it.
    const url = `data:${contentTypeOf(ext)};base64,${base64}`;
    data.push(fields.response_format === 'url' ? { url } : { b64_json: base64 });
  }
  return c.json({ created: Math.floor(Date.now() / 1000), data, output_format: fields.output_format }, 200, {
    'x-job-id': jobIds.join(','),
    'x-model-state': temperature ?? 'warm',
  });
}

/** Without seeds of their own several pictures of one prompt would be one picture several times. */
function seedFor(index: number, seed: number | undefined, n: number): number | undefined {
  if (seed !== undefined) return seed + index;
  return n === 1 ? undefined : randomInt(2 ** 32);
}

function taskOf(fields: Fields, inputs: Inputs, { source }: CatalogueEntry, seed: number | undefined): ImageTask {
  const { cfgScale, samplingMethod, ...defaults } = source.cliDefaults;
  const { negative_prompt: negativePrompt, strength: denoise, steps = defaults.steps } = fields;
  const [, width, height] = SIZE.exec(fields.size ?? '') ?? [];
  return {
    kind: 'image',
    prompt: fields.prompt,
    ...inputs,
    ...(negativePrompt !== undefined && { negativePrompt }),
    ...(denoise !== undefined && { denoise }),
    ...(seed !== undefined && { seed }),
    width: Math.max(1, Number(width ?? defaults.width)),
    height: Math.max(1, Number(height ?? defaults.height)),
    steps: Math.max(1, steps),
    cfgScale,
    ...(samplingMethod !== undefined && { samplingMethod }),
    ext: fields.output_format,
  };
}
