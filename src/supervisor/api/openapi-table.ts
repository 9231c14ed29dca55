// Every route of the local API as data: what `GET /openapi.json` says of it. A test holds this table against the routes
// that there really are.

/** Fields as `name:type`, with `?` behind the name of one that may be missing. A type is one of JSON schema's, or `any`. */
type Shape = string;

export type Row = {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly query?: Shape;
  readonly body?: Shape;
  /** Fields of a form; those of type `file` are files. */
  readonly form?: Shape;
  /** Media types of the answer, or the fields of a JSON answer. */
  readonly answer: { readonly media: readonly string[] } | { readonly json: Shape } | { readonly list: Shape };
  /** Beside 200. */
  readonly statuses?: Readonly<Record<number, string>>;
  /** Nobody asks for a token. */
  readonly open?: true;
};

const IMAGES = { media: ['image/webp', 'image/png', 'image/jpeg'] };
const SOUND = { media: ['audio/wav', 'audio/mpeg', 'audio/ogg', 'audio/flac', 'application/octet-stream'] };
const FILMS = { media: ['video/mp4', 'video/webm', 'image/gif', 'image/webp'] };
const OK = { json: 'ok:boolean' };
const SETTINGS = {
  json: 'apiBaseUrl:string vramThresholdGb:number autoStart:boolean startMinimised:boolean onlyWhenIdle:boolean autoUpdateEnabled:boolean autoUpdateIntervalSecs:integer autoUpdateFeed:string autoUpdatePrerelease:boolean modelsRoot:string',
};
const STATE =
  'id:string state:string resident:boolean since:string error?:string phase?:string progress?:number etaSeconds?:number';
const COMPLETION = 'id:string object:string created:integer model:string choices:array usage:object';
const SAMPLING =
  'model?:string max_tokens?:integer temperature?:number top_p?:number stop?:any seed?:integer stream?:boolean stream_options?:object n?:integer deadline_ms?:number keep_alive?:any';
const RECORDING =
  'file:file model?:string prompt?:string response_format?:string timestamp_granularities?:array keep_alive?:string';
const PICTURE =
  'prompt:string model?:string n?:integer size?:string response_format?:string output_format?:string negative_prompt?:string seed?:integer steps?:integer strength?:number keep_alive?:any';
const LOADING = {
  503: 'The model is still being loaded; `loading` says how far it is, `Retry-After` when to ask again',
};
const JOB = { ...LOADING, 400: 'The request is wrong', 500: 'The engine failed' };
const OPENAI = { ...JOB, 404: 'There is no such model', 429: 'The queue is full', 504: 'The deadline has passed' };

export const ROWS: readonly Row[] = [
  {
    ...{ method: 'get', path: '/healthz', summary: 'Whether the worker is alive', open: true },
    answer: {
      json: 'ok:boolean version:string busy:boolean engine:string modelsRoot:string modelsRootFreeBytes:any gpuRuntime:any',
    },
  },
  {
    ...{ method: 'get', path: '/readyz', summary: 'Whether it is ready for jobs of its studio', open: true },
    answer: { json: 'ready:boolean registered:boolean acknowledged:boolean enginesProbed:boolean' },
    statuses: { 503: 'Not ready; the body says what is missing' },
  },
  {
    ...{ method: 'get', path: '/metrics', summary: 'Metrics in the text format of Prometheus' },
    answer: { media: ['text/plain'] },
  },
  {
    ...{ method: 'get', path: '/openapi.json', summary: 'This document' },
    answer: { json: 'openapi:string info:object paths:object components:object' },
  },
  {
    ...{ method: 'post', path: '/image', summary: 'Draw a picture', answer: IMAGES, statuses: JOB },
    body: 'prompt:string model?:string negativePrompt?:string width?:integer height?:integer steps?:integer seed?:integer ext?:string initImageUrl?:string refImageUrl?:string maskUrl?:string denoise?:number',
  },
  {
    ...{ method: 'post', path: '/tts', summary: 'Speak a text', answer: SOUND, statuses: JOB },
    body: 'text:string model?:string voice?:string speed?:number language?:string ext?:string',
  },
  {
    ...{ method: 'post', path: '/stt', summary: 'Transcribe a recording', statuses: JOB },
    body: 'inputUrl:string model?:string language?:string translate?:boolean prompt?:string vad?:boolean timestamps?:string',
    answer: { json: 'text:string language?:string duration?:number segments?:array' },
  },
  {
    ...{ method: 'post', path: '/video', summary: 'Make a film', answer: FILMS, statuses: JOB },
    body: 'prompt:string model?:string negativePrompt?:string seconds?:number fps?:number width?:integer height?:integer ext?:string initImageUrl?:string',
  },
  {
    ...{ method: 'post', path: '/tokenize', summary: 'The tokens of a text', statuses: JOB },
    body: 'content:string model?:string add_special?:boolean',
    answer: { json: 'tokens:array' },
  },
  {
    ...{ method: 'post', path: '/stream-tokens', summary: 'A token for speaking to a model, live, over the network' },
    body: 'model:string ttlSecs?:number',
    answer: { json: 'token:string model:string expiresAt:string port:integer path:string' },
    statuses: {
      400: 'The request is wrong, or the model cannot hear live speech',
      404: 'There is no such model',
      503: 'Nobody listens for live speech',
    },
  },
  {
    ...{ method: 'get', path: '/models', summary: 'The catalogue, and what state each model is in' },
    answer: { list: `${STATE} displayName:string kind:string vramGbEstimate:number source:object enabled:boolean` },
  },
  {
    ...{ method: 'post', path: '/models', summary: 'Add a model, or replace it', answer: OK },
    body: 'id:string displayName:string kind:string source:object vramGbEstimate?:number description?:string enabled?:boolean exclusiveGroup?:string',
    statuses: { 400: 'The entry is wrong', 500: 'The catalogue could not be saved' },
  },
  {
    ...{ method: 'delete', path: '/models/{id}', summary: 'Unload a model and forget it', answer: OK },
    statuses: { 404: 'There is no such model', 500: 'It could not be unloaded' },
  },
  {
    ...{ method: 'get', path: '/models/{id}/state', summary: 'What state a model is in', answer: { json: STATE } },
    statuses: { 404: 'There is no such model' },
  },
  {
    ...{ method: 'post', path: '/models/{id}/load', summary: 'Load a model and keep it', answer: { json: STATE } },
    statuses: {
      202: 'It is being loaded',
      400: 'It is disabled',
      404: 'There is no such model',
      409: 'It does not fit',
    },
  },
  {
    ...{ method: 'post', path: '/models/{id}/unload', summary: 'Unload a model', answer: { json: STATE } },
    statuses: { 202: 'It is being unloaded', 404: 'There is no such model' },
  },
  {
    ...{ method: 'get', path: '/jobs', summary: "This machine's own jobs, the newest first" },
    answer: {
      list: 'jobId:string kind:string model:string prompt:string status:string reason:any startedAt:string finishedAt:string',
    },
  },
  {
    ...{ method: 'get', path: '/jobs/{id}/log', summary: 'What a job wrote into its log' },
    answer: { json: 'lines:array dropped:integer' },
    statuses: { 404: 'Nothing is known of such a job' },
  },
  {
    ...{ method: 'get', path: '/jobs/{id}/thumbnail', summary: 'A small picture of a result' },
    answer: { media: ['image/png'] },
    statuses: { 404: 'There is none' },
  },
  {
    ...{ method: 'get', path: '/v1/models', summary: 'The models that may be asked for' },
    answer: { json: 'object:string data:array' },
  },
  {
    ...{ method: 'get', path: '/v1/models/{id}', summary: 'One of them' },
    answer: { json: 'id:string object:string created:integer owned_by:string kind:string state:string' },
    statuses: { 404: 'There is no such model' },
  },
  {
    ...{ method: 'post', path: '/v1/chat/completions', summary: 'Answer a conversation, whole or as events' },
    body: `messages:array ${SAMPLING} max_completion_tokens?:integer response_format?:object chat_template_kwargs?:object reasoning_effort?:string`,
    answer: { json: COMPLETION },
    statuses: OPENAI,
  },
  {
    ...{ method: 'post', path: '/v1/completions', summary: 'Go on with a text, whole or as events' },
    body: `prompt:any ${SAMPLING} echo?:boolean`,
    answer: { json: COMPLETION },
    statuses: OPENAI,
  },
  {
    ...{ method: 'post', path: '/v1/embeddings', summary: 'Vectors of texts', statuses: OPENAI },
    body: 'input:any model?:string encoding_format?:string keep_alive?:any',
    answer: { json: 'object:string data:array model:string usage:object' },
  },
  {
    ...{ method: 'post', path: '/v1/images/generations', summary: 'Draw pictures', statuses: OPENAI, body: PICTURE },
    answer: { json: 'created:integer data:array output_format:string' },
  },
  {
    ...{ method: 'post', path: '/v1/images/edits', summary: 'Change a picture', statuses: OPENAI },
    form: `image:file mask?:file ${PICTURE}`,
    answer: { json: 'created:integer data:array output_format:string' },
  },
  {
    ...{ method: 'post', path: '/v1/audio/speech', summary: 'Speak a text', answer: SOUND, statuses: OPENAI },
    body: 'input:string model?:string voice?:any speed?:number response_format?:string keep_alive?:any',
  },
  {
    ...{ method: 'post', path: '/v1/audio/transcriptions', summary: 'Transcribe a recording', statuses: OPENAI },
    form: `${RECORDING} language?:string`,
    answer: { media: ['application/json', 'text/plain', 'application/x-subrip', 'text/vtt'] },
  },
  {
    ...{ method: 'post', path: '/v1/audio/translations', summary: 'Transcribe into English', statuses: OPENAI },
    form: RECORDING,
    answer: { media: ['application/json', 'text/plain', 'application/x-subrip', 'text/vtt'] },
  },
  {
    ...{ method: 'get', path: '/daemon/status', summary: 'How the worker is' },
    answer: {
      json: 'version:string pid:integer configPath:string paused:boolean takesJobs:boolean busy:boolean registered:boolean workerId:any registration:object config:object session:object heartbeat:any gpuRuntime:any vramTotalGb:number localApiUrl:any currentJobId:any activeJobs:array recentJobs:array localJobs:array logsSeq:integer',
    },
  },
  {
    ...{ method: 'get', path: '/daemon/logs', summary: 'The log, from an entry on', query: 'after?:integer' },
    answer: { json: 'entries:array seq:integer' },
    statuses: { 400: 'That is no number' },
  },
  {
    ...{ method: 'get', path: '/daemon/events', summary: 'What happens, as it happens', query: 'after?:integer' },
    answer: { media: ['text/event-stream'] },
    statuses: { 400: 'That is no number' },
  },
  {
    ...{ method: 'post', path: '/daemon/pause', summary: 'Take no further jobs of the studio' },
    answer: { json: 'paused:boolean' },
  },
  { ...{ method: 'post', path: '/daemon/resume', summary: 'Take them again' }, answer: { json: 'paused:boolean' } },
  { ...{ method: 'get', path: '/daemon/config', summary: 'The settings that can be changed here' }, answer: SETTINGS },
  {
    ...{ method: 'put', path: '/daemon/config', summary: 'Change some of them', answer: SETTINGS },
    body: SETTINGS.json.replaceAll(':', '?:'),
    statuses: { 400: 'A setting is wrong; `message` says which', 500: 'They could not be saved' },
  },
  {
    ...{ method: 'post', path: '/daemon/registration/reset', summary: 'Ask the studio to be let in again' },
    answer: OK,
    statuses: { 202: 'It will be asked', 409: 'The studio has not rejected this worker' },
  },
  {
    ...{ method: 'post', path: '/daemon/shutdown', summary: 'Stop, as one SIGTERM would', answer: OK },
    statuses: { 202: 'It is stopping' },
  },
];
