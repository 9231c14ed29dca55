// `/v1/audio/…`: text to speech, and recordings to text in their own language or in English.
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { absent } from '../../../protocol/absent.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { clientGone } from '../client-gone.ts';
import { contentTypeOf } from '../content-type.ts';
import { failsAs } from '../fail.ts';
import { runLocal } from '../local-run.ts';
import { type Form, readForm } from '../multipart.ts';
import { keepAliveMs, SAMPLING } from '../openai/sampling.ts';
import { formatted, type Granularity, TRANSCRIPT_FORMATS, Transcript } from '../openai/transcript-format.ts';
import { pcmOf } from '../openai/wav-to-pcm.ts';
import type { ApiParts } from '../parts.ts';
import { ApiError, badRequest } from '../problem.ts';
import { checked, readJson } from '../request-body.ts';

const SpeechBody = z.object({
  model: absent(z.string()),
  input: z.string().min(1, 'must not be empty'),
  voice: absent(z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)])),
  speed: absent(z.number().min(0.25).max(4)),
  response_format: absent(z.enum(['mp3', 'opus', 'aac', 'flac', 'wav', 'pcm'])),
  stream_format: absent(z.enum(['audio'], 'is not supported: the sound is sent as it is')),
  keep_alive: SAMPLING.keep_alive,
});

const TranscriptFields = z.object({
  response_format: absent(z.enum(TRANSCRIPT_FORMATS)),
  granularities: z.array(z.enum(['segment', 'word'])),
});

export function openAiAudioRoutes(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('openai', parts));
  routes.post('/v1/audio/speech', (c) => speech(c, parts));
  routes.post('/v1/audio/transcriptions', (c) => recognise(c, parts, 'transcribe'));
  routes.post('/v1/audio/translations', (c) => recognise(c, parts, 'translate'));
  return routes;
}

async function speech(c: Context<ApiEnv>, parts: ApiParts): Promise<Response> {
  const {
    input,
    voice = 'default',
    speed,
    response_format: format = 'mp3',
    ...body
  } = await readJson(c.env, SpeechBody);
  const { result, jobId, temperature } = await runLocal(parts, {
    kind: 'audio_tts',
    model: body.model,
    task: () => ({
      kind: 'audio_tts',
      ...{ text: input, voice },
      ...(speed !== undefined && { speed }),
      ext: format === 'pcm' ? 'wav' : format,
    }),
    keepAliveMs: keepAliveMs(body.keep_alive),
    signal: clientGone(c.env.outgoing),
  });
  if (result.kind !== 'bytes') throw new Error('a voice has answered with JSON');
  const headers = { 'x-job-id': jobId, 'x-model-state': temperature };
  if (format !== 'pcm') {
    return c.body(result.bytes as Uint8Array<ArrayBuffer>, 200, {
      ...headers,
      'content-type': contentTypeOf(result.ext),
    });
  }
  const pcm = pcmOf(result.bytes);
  if (pcm) return c.body(pcm, 200, { ...headers, 'content-type': 'audio/pcm' });
  const message = `this voice writes ${result.ext}, which cannot be turned into pcm: ask for another response_format`;
  throw new ApiError({ status: 500, code: 'engine_failed', message });
}

async function recognise(c: Context<ApiEnv>, parts: ApiParts, task: 'transcribe' | 'translate'): Promise<Response> {
  const form = await readForm(c.env);
  const { response_format: format = 'json', granularities } = checked(fieldsOf(form), TranscriptFields);
  const [inputUrl, ...more] = await form.files('file');
  if (inputUrl === undefined) throw badRequest('send the recording as the field file', 'file');
  if (more.length > 0) throw badRequest('send one recording at a time', 'file');
  const asked: readonly Granularity[] = granularities.length > 0 ? granularities : ['segment'];
  const language = form.text('language');
  const prompt = form.text('prompt');
  const { result, jobId, temperature } = await runLocal(parts, {
    kind: 'audio_stt',
    model: form.text('model'),
    task: () => ({
      kind: 'audio_stt',
      inputUrl,
      ...(task === 'translate' ? { translate: true } : language && { language }),
      ...(prompt && { prompt }),
      timestamps: asked.includes('word') ? 'word' : 'segment',
    }),
    keepAliveMs: keepAliveMs(form.text('keep_alive')),
    signal: clientGone(c.env.outgoing),
  });
  const transcript = Transcript.parse(result.kind === 'json' ? result.value : undefined);
  const { body, contentType } = formatted(transcript, format, { task, granularities: asked });
  return c.body(body, 200, { 'content-type': contentType, 'x-job-id': jobId, 'x-model-state': temperature });
}

function fieldsOf(form: Form): unknown {
  return { response_format: form.text('response_format'), granularities: form.texts('timestamp_granularities') };
}
