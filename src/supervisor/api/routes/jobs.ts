// The upstream routes that run one job and answer with its result: `/image`, `/tts`, `/stt` and `/video`.
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { absent, defaulted } from '../../../protocol/absent.ts';
import { ImageTask, SttTask, type TaskKind, TtsTask, VideoTask } from '../../../protocol/index.ts';
import type { LocalRequest } from '../../local/types.ts';
import type { CatalogueEntry } from '../../models/types.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { clientGone } from '../client-gone.ts';
import { contentTypeOf } from '../content-type.ts';
import { failsAs } from '../fail.ts';
import { runLocal } from '../local-run.ts';
import type { ApiParts } from '../parts.ts';
import { badRequest } from '../problem.ts';
import { readJson, UPLOAD_BYTES_MAX } from '../request-body.ts';

const model = { model: absent(z.string()) };
const { prompt, negativePrompt, seed, denoise } = ImageTask.shape;
const { initImageUrl, refImageUrl, maskUrl } = ImageTask.shape;
/** Pixels or steps: absent ones, and 0, are the model's own. */
const count = absent(z.number().int().min(0).max(100_000));
const ImageBody = z.object({
  ...model,
  ...{ prompt, negativePrompt, seed, denoise, initImageUrl, refImageUrl, maskUrl },
  ...{ width: count, height: count, steps: count },
  ext: defaulted(z.string(), 'webp'),
});
const SttBody = SttTask.omit({ kind: true }).extend(model);
const TtsBody = TtsTask.omit({ kind: true }).extend(model);
const SIDE = 256;
const VideoBody = VideoTask.omit({ kind: true }).extend({
  ...model,
  width: defaulted(VideoTask.shape.width, SIDE),
  height: defaulted(VideoTask.shape.height, SIDE),
});

const PICTURES = ['initImageUrl', 'refImageUrl', 'maskUrl'] as const;

export function jobRoutes(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('text', parts));

  routes.post('/image', async (c) => {
    const body = await readJson(c.env, ImageBody, UPLOAD_BYTES_MAX);
    const wrong = PICTURES.find((name) => body[name] !== undefined && !body[name].startsWith('data:image/'));
    if (wrong) throw badRequest(`bad input: ${wrong} must be a data:image/...;base64, URL`);
    return run(c, parts, 'image', body.model, (entry) => imageTask(body, entry));
  });
  routes.post('/tts', async (c) => {
    const { model, ...task } = await readJson(c.env, TtsBody);
    return run(c, parts, 'audio_tts', model, () => ({ kind: 'audio_tts', ...task }));
  });
  // A recording may come inside the JSON as a data: URL.
  routes.post('/stt', async (c) => {
    const { model, ...task } = await readJson(c.env, SttBody, UPLOAD_BYTES_MAX);
    return run(c, parts, 'audio_stt', model, () => ({ kind: 'audio_stt', ...task }));
  });
  routes.post('/video', async (c) => {
    const { model, ...task } = await readJson(c.env, VideoBody);
    return run(c, parts, 'video', model, () => ({ kind: 'video', ...task }));
  });
  return routes;
}

/** What the body leaves open is the model's own; how closely it follows the prompt, and how it samples, always is. */
export function imageTask(
  { model, width, height, steps, ...body }: z.output<typeof ImageBody>,
  { source: { cliDefaults } }: CatalogueEntry,
): ImageTask {
  const { cfgScale, samplingMethod } = cliDefaults;
  return {
    kind: 'image',
    ...body,
    width: Math.max(1, width || cliDefaults.width),
    height: Math.max(1, height || cliDefaults.height),
    steps: Math.max(1, steps || cliDefaults.steps),
    cfgScale,
    ...(samplingMethod !== undefined && { samplingMethod }),
  };
}

async function run(
  c: Context<ApiEnv>,
  parts: ApiParts,
  kind: TaskKind,
  model: string | undefined,
  task: (entry: CatalogueEntry) => LocalRequest['task'],
): Promise<Response> {
  const ran = await runLocal(parts, { kind, model, task, signal: clientGone(c.env.outgoing) });
  const headers = { 'x-job-id': ran.jobId, 'x-model-state': ran.temperature };
  if (ran.result.kind === 'json') return c.json(ran.result.value as object, 200, headers);
  const { bytes, ext } = ran.result;
  return c.body(bytes as Uint8Array<ArrayBuffer>, 200, { ...headers, 'content-type': contentTypeOf(ext) });
}
