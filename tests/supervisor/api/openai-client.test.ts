// The OpenAI surface as OpenAI's own client sees it, on tiny models in a real worker.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import sharp from 'sharp';
import { noise, WITHOUT_FFMPEG, wavOf } from '../../engines/speech-rig.ts';
import { type ApiWorker, SYNTHETIC, startApiWorker, tinyModels } from './worker-rig.ts';

let api: ApiWorker;
let openai: OpenAI;
before(async () => {
  api = await startApiWorker([
    ...[tinyModels.scripted(), tinyModels.words(), tinyModels.whisper(), tinyModels.voice()],
    ...SYNTHETIC,
  ]);
  openai = api.openai;
});
after(async () => api?.[Symbol.asyncDispose]());

const user = (content: string) => [{ role: 'user' as const, content }];

test('models are listed, and asked for one by one', async () => {
  const ids: string[] = [];
  for await (const model of openai.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ['scripted', 'words', 'tiny-whisper', 'tiny-voice', ...SYNTHETIC.map(({ id }) => id)]);
  assert.partialDeepStrictEqual(await openai.models.retrieve('tiny-voice'), {
    ...{ id: 'tiny-voice', object: 'model', owned_by: 'local' },
  });
  await assert.rejects(openai.models.retrieve('no/such model'), (error) => error instanceof OpenAI.NotFoundError);
});

test('a chat is answered, and a cold model says that it was cold', async () => {
  const asked = () => openai.chat.completions.create({ model: 'scripted', messages: user('hello') }).withResponse();
  const { data, response } = await asked();
  assert.equal(response.headers.get('x-model-state'), 'cold');
  assert.match(data.id, /^chatcmpl-/);
  assert.equal(data.object, 'chat.completion');
  assert.ok(Math.abs(data.created - Date.now() / 1000) < 600);
  assert.deepEqual(data.choices[0]?.message, { role: 'assistant', content: 'Hello world.' });
  assert.equal(data.choices[0]?.finish_reason, 'stop');
  assert.deepEqual(data.usage?.total_tokens, (data.usage?.prompt_tokens ?? 0) + 3);
  assert.equal((await asked()).response.headers.get('x-model-state'), 'warm');
});

test('a chat streams the same words, with usage where it is asked for', async () => {
  const stream = await openai.chat.completions.create({
    ...{ model: 'scripted', messages: user('hello'), stream: true },
    stream_options: { include_usage: true },
  });
  const pieces: string[] = [];
  const reasons: unknown[] = [];
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of stream) {
    const [choice] = chunk.choices;
    if (choice?.delta.content) pieces.push(choice.delta.content);
    if (choice?.finish_reason) reasons.push(choice.finish_reason);
    assert.ok(choice === undefined || !chunk.usage, 'usage comes in a chunk of its own');
    usage = chunk.usage ?? usage;
  }
  assert.equal(pieces.join(''), 'Hello world.');
  assert.ok(pieces.length > 1, 'word by word');
  assert.deepEqual(reasons, ['stop']);
  assert.equal(usage?.completion_tokens, 3);
});

test('the events of a stream are those of the contract', async () => {
  const { status, headers, text } = await api.post('/v1/chat/completions', {
    ...{ model: 'scripted', messages: user('@think'), stream: true },
  });
  assert.deepEqual([status, headers['content-type'], headers['cache-control']], [200, 'text/event-stream', 'no-cache']);
  const events = text.split('\n\n');
  assert.equal(events.pop(), '');
  assert.equal(events.pop(), 'data: [DONE]');
  const chunks = events.map((event) => JSON.parse(event.replace(/^data: /, '')));
  for (const chunk of chunks)
    assert.partialDeepStrictEqual(chunk, { object: 'chat.completion.chunk', model: 'scripted' });
  const [thought, ...rest] = chunks.map(({ choices }) => choices[0].delta);
  assert.deepEqual(thought, { role: 'assistant', reasoning_content: 'hmm so' }, 'whole, once it has ended');
  assert.equal(rest.map(({ content = '' }) => content).join(''), 'It is 42');
  const last = chunks.at(-1);
  assert.deepEqual([last.choices[0].delta, last.choices[0].finish_reason], [{}, 'stop']);
  assert.equal(last.usage.total_tokens, last.usage.prompt_tokens + last.usage.completion_tokens);
});

test('stop, budget, seed and a schema are obeyed', async () => {
  const create = (more: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>) =>
    openai.chat.completions.create({ model: 'scripted', messages: user('hello'), ...more });
  const stopped = await create({ messages: user('@stop'), stop: 'STOP' });
  assert.equal(stopped.choices[0]?.message.content?.trim(), 'Say it.');
  assert.equal(
    (await create({ messages: user('@stop'), stop: ['nothing', 'it'] })).choices[0]?.message.content?.trim(),
    'Say',
  );
  const cut = await create({ max_completion_tokens: 2 });
  assert.deepEqual([cut.choices[0]?.message.content, cut.choices[0]?.finish_reason], ['Hello world', 'length']);

  const dice = async (seed: number) =>
    (await create({ messages: user('@dice'), max_tokens: 24, temperature: 1, seed })).choices[0]?.message.content;
  const [one, again, other] = [await dice(1), await dice(1), await dice(2)];
  assert.equal(one, again);
  assert.notEqual(one, other);

  const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
  const json = await create({
    messages: user('@json'),
    response_format: { type: 'json_schema', json_schema: { name: 'person', strict: true, schema } },
  });
  assert.deepEqual(JSON.parse(json.choices[0]?.message.content ?? ''), { name: 'bob' });
  const object = await create({ messages: user('@json'), response_format: { type: 'json_object' } });
  assert.deepEqual(JSON.parse(object.choices[0]?.message.content ?? ''), { name: 'bob' });
});

test('errors are those that the client knows', async () => {
  const create = (more: object) =>
    openai.chat.completions.create({ model: 'scripted', messages: user('hello'), ...more } as never);
  const rejects = (asking: Promise<unknown>, expected: object) =>
    assert.rejects(asking, (error: unknown) => {
      assert.ok(error instanceof OpenAI.APIError, String(error));
      assert.partialDeepStrictEqual(
        { status: error.status, code: error.code, param: error.param, type: error.type },
        expected,
      );
      return true;
    });
  await rejects(create({ n: 3 }), { status: 400, param: 'n', type: 'invalid_request_error' });
  await rejects(create({ tools: [{ type: 'function', function: { name: 'x' } }] }), { status: 400, param: 'tools' });
  await rejects(create({ model: 'gone' }), { status: 404, code: 'model_not_found' });
  await rejects(create({ model: 'gone', stream: true }), { status: 404, code: 'model_not_found' });
  await rejects(create({ model: 'tiny-voice' }), { status: 400, code: 'wrong_kind' });
  await rejects(create({ messages: user('word '.repeat(3000)) }), { status: 400, code: 'input_invalid' });
  await rejects(create({ messages: user('word '.repeat(3000)), stream: true }), { status: 400, code: 'input_invalid' });
  const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
  const nested = await api.ask('/v1/chat/completions', {
    ...{ method: 'POST', body: `{"messages":[{"role":"user","content":"x"}],"chat_template_kwargs":${deep}}` },
  });
  assert.deepEqual([nested.status, JSON.parse(nested.text).error.message], [400, 'bad json: nested too deeply']);
  const stranger = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
  await assert.rejects(stranger.models.list(), (error) => error instanceof OpenAI.AuthenticationError);
  const lost = await api.ask('/v1/nothing');
  assert.deepEqual([lost.status, JSON.parse(lost.text).error.type], [404, 'invalid_request_error']);
});

test('a text is gone on with, whole and streamed', async () => {
  const asked = { model: 'scripted', prompt: 'Hello', max_tokens: 1 };
  const whole = await openai.completions.create(asked);
  assert.equal(whole.object, 'text_completion');
  assert.deepEqual([whole.choices[0]?.finish_reason, whole.choices[0]?.text], ['length', ' world']);
  const stream = await openai.completions.create({ ...asked, stream: true });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
  assert.equal(text, whole.choices[0]?.text);
  const echoed = await openai.completions.create({ ...asked, prompt: [asked.prompt], echo: true });
  assert.equal(echoed.choices[0]?.text, asked.prompt + whole.choices[0]?.text);
  await assert.rejects(openai.completions.create({ ...asked, suffix: 'x' }), { status: 400, param: 'suffix' });
});

test('texts become vectors, as floats and as base64', async () => {
  // Without a format the client asks for base64 and decodes it itself.
  const { data, usage, model } = await openai.embeddings.create({
    model: 'words',
    input: ['red fox', 'fox red', 'house'],
  });
  const vectors = data.map(({ embedding }) => embedding);
  const floats = await openai.embeddings.create({ model: 'words', input: 'red fox', encoding_format: 'float' });
  assert.equal(model, 'words');
  assert.ok(usage.total_tokens > 0);
  const dot = (a: readonly number[] = [], b: readonly number[] = []) =>
    a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
  assert.ok(Math.abs(dot(vectors[0], vectors[1]) - 1) < 1e-3, 'the order of words means nothing to this model');
  assert.ok(dot(vectors[0], vectors[2]) < 0.9);
  assert.ok(Math.abs(dot(vectors[0], floats.data[0]?.embedding) - 1) < 1e-3);
  await assert.rejects(openai.embeddings.create({ model: 'words', input: '' }), { status: 400 });
  await assert.rejects(openai.embeddings.create({ model: 'words', input: [1, 2] }), { status: 400, param: 'input' });
  await assert.rejects(openai.embeddings.create({ model: 'words', input: 'x', dimensions: 4 }), { status: 400 });
});

test('a voice speaks, in the form that was asked for', async () => {
  const say = (more: Partial<OpenAI.Audio.SpeechCreateParams>) =>
    openai.audio.speech.create({ model: 'tiny-voice', voice: 'bob', input: 'hello there', ...more });
  const wav = await say({ response_format: 'wav' });
  assert.equal(wav.headers.get('content-type'), 'audio/wav');
  const sound = Buffer.from(await wav.arrayBuffer());
  assert.equal(sound.toString('latin1', 0, 4), 'RIFF');
  const fast = Buffer.from(await (await say({ response_format: 'wav', speed: 2 })).arrayBuffer());
  assert.ok(fast.length < sound.length * 0.6, 'twice as fast');
  const pcm = await say({ response_format: 'pcm' });
  assert.equal(pcm.headers.get('content-type'), 'audio/pcm');
  // The voice has 16 kHz, and pcm is 24 kHz.
  assert.equal((await pcm.arrayBuffer()).byteLength, Math.floor(((sound.length - 44) / 2) * 1.5) * 2);
  await assert.rejects(say({ voice: 'nobody', response_format: 'wav' }), { status: 400 });
  await assert.rejects(say({ speed: 9 }), { status: 400, param: 'speed' });
});

test('a voice speaks mp3 unless told otherwise', { skip: WITHOUT_FFMPEG }, async () => {
  const mp3 = await openai.audio.speech.create({ model: 'tiny-voice', voice: 'Ann', input: 'hello' });
  assert.equal(mp3.headers.get('content-type'), 'audio/mpeg');
  assert.ok((await mp3.arrayBuffer()).byteLength > 100);
});

const recording = () => toFile(wavOf(noise(5)), 'speech.wav', { type: 'audio/wav' });

test('a recording is written down in five forms', async () => {
  const create = async <More extends object>(more: More) =>
    openai.audio.transcriptions.create({ model: 'tiny-whisper', file: await recording(), ...more } as never) as unknown;
  assert.deepEqual(await create({}), { text: 'Hello world. This is tiny' });
  assert.equal(await create({ response_format: 'text' }), 'Hello world. This is tiny\n');
  assert.match(
    String(await create({ response_format: 'srt' })),
    /^1\n00:00:00,000 --> 00:00:02,000\nHello world\.\n\n2\n/,
  );
  assert.match(
    String(await create({ response_format: 'vtt' })),
    /^WEBVTT\n\n00:00:00\.000 --> 00:00:02\.000\nHello world\.\n/,
  );
  const verbose = (await create({
    ...{ response_format: 'verbose_json', language: 'en', timestamp_granularities: ['word', 'segment'] },
  })) as OpenAI.Audio.TranscriptionVerbose;
  assert.partialDeepStrictEqual(verbose, { task: 'transcribe', language: 'en', duration: 5 } as object);
  assert.deepEqual(
    verbose.segments?.map(({ text }) => text.trim()),
    ['Hello world.', 'This is tiny'],
  );
  assert.equal(verbose.words?.[0]?.word, 'Hello');
});

test('a recording is translated', async () => {
  const translated = await openai.audio.translations.create({ model: 'tiny-whisper', file: await recording() });
  assert.equal(translated.text, 'Hallo Welt');
});

test('what is no recording is refused', async () => {
  const create = (form: FormData) =>
    fetch(`${api.url}/v1/audio/transcriptions`, {
      ...{ method: 'POST', body: form, headers: { authorization: `Bearer ${api.token}` } },
    });
  const form = (fields: Record<string, string | Blob>): FormData => {
    const data = new FormData();
    for (const [name, value] of Object.entries({ model: 'tiny-whisper', ...fields })) data.append(name, value);
    return data;
  };
  assert.equal((await create(form({}))).status, 400);
  assert.equal((await create(form({ file: 'text' }))).status, 400);
  assert.equal((await create(form({ file: new Blob([]) }))).status, 400);
  assert.equal((await create(form({ file: new Blob(['no sound at all']) }))).status, 400);
  assert.equal((await create(form({ file: new Blob(['x']), response_format: 'pdf' }))).status, 400);
  const json = await api.post('/v1/audio/transcriptions', { file: 'x' });
  assert.match(JSON.parse(json.text).error.message, /multipart\/form-data/);
  const broken = await api.ask('/v1/audio/transcriptions', {
    ...{ method: 'POST', body: 'not a form', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
  });
  assert.equal(broken.status, 400);
  const field = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n';
  const many = await api.ask('/v1/audio/transcriptions', {
    ...{
      method: 'POST',
      body: `${field.repeat(1000)}--x--`,
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    },
  });
  assert.match(JSON.parse(many.text).error.message, /more than 64 fields/);
});

test('pictures are drawn, several at a time, each a different one', async () => {
  const drawn = await openai.images.generate({
    model: 'synthetic-image',
    prompt: 'a fox',
    n: 2,
    size: '96x48' as never,
  });
  assert.equal(drawn.data?.length, 2);
  const { width, height, format } = await sharp(Buffer.from(drawn.data?.[0]?.b64_json ?? '', 'base64')).metadata();
  assert.deepEqual([width, height, format], [96, 48, 'png']);
  const url = await openai.images.generate({
    ...{ model: 'synthetic-image', prompt: 'a fox', response_format: 'url', output_format: 'webp' },
  });
  assert.match(url.data?.[0]?.url ?? '', /^data:image\/webp;base64,/);
  const refused = { status: 400 };
  await assert.rejects(openai.images.generate({ model: 'synthetic-image', prompt: '' }), refused);
  await assert.rejects(openai.images.generate({ model: 'synthetic-image', prompt: 'x', n: 11 }), refused);
  await assert.rejects(
    openai.images.generate({ model: 'synthetic-image', prompt: 'x', size: 'big' as never }),
    refused,
  );
  await assert.rejects(
    openai.images.generate({ model: 'synthetic-image', prompt: 'x', size: '9999x9999' as never }),
    refused,
  );
});

test('a picture is edited', async () => {
  const png = await sharp({ create: { width: 32, height: 32, channels: 4, background: '#f008' } })
    .png()
    .toBuffer();
  const file = (name: string) => toFile(png, name, { type: 'image/png' });
  const edited = await openai.images.edit({
    ...{ model: 'synthetic-image', prompt: 'blue', image: await file('image.png'), mask: await file('mask.png') },
  });
  assert.ok(edited.data?.[0]?.b64_json);
  const two = openai.images.edit({
    ...{ model: 'synthetic-image', prompt: 'blue', image: [await file('a.png'), await file('b.png')] },
  });
  await assert.rejects(two, { status: 400, param: 'image' });
  const unreadable = await toFile(Buffer.from('no picture'), 'mask.png');
  const masked = openai.images.edit({
    ...{ model: 'synthetic-image', prompt: 'blue', image: await file('image.png'), mask: unreadable },
  });
  await assert.rejects(masked, { status: 400, param: 'mask' });
});
