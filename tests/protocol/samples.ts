// Complete and minimal values of everything on the wire, for the contract tests.
import type {
  JobClaim,
  ModelSource,
  StudioFrame,
  Task,
  WorkerCapabilities,
  WorkerFrame,
} from '../../src/protocol/index.ts';

export const capabilities: WorkerCapabilities = {
  machineName: 'rig-01',
  username: 'alice',
  agentVersion: '0.5.0',
  engine: 'multi',
  vramTotalGb: 24,
  vramThresholdGb: 12.5,
  autoEnabled: true,
  autoStart: true,
  autoUpdate: true,
  startMinimised: true,
  onlyWhenIdle: false,
  userPresence: 'idle',
  supportedModels: ['sd-cpp:*', 'synthetic'],
  taskKinds: ['image', 'llm'],
  supportedModelsPerKind: { image: ['sd-cpp:*', 'synthetic'], llm: ['synthetic'] },
  label: 'the rig under the desk',
  features: ['multi-offer', 'resume'],
  slots: { image: 1, llm: 4 },
};

export const modelSource: ModelSource = {
  engine: 'sd-cpp',
  files: [
    {
      role: 'diffusion-model',
      url: 'https://models.example/x.gguf',
      filename: 'x.gguf',
      approxBytes: 6_000_000_000,
      sha256: 'ab'.repeat(32),
    },
  ],
  cliDefaults: {
    cfgScale: 1,
    steps: 8,
    width: 1024,
    height: 1024,
    samplingMethod: 'euler',
    flowShift: 3,
    zeroCondT: true,
    offloadToCpu: false,
    mmap: true,
    maxVramGib: 8.5,
    contextSize: 4096,
    chatTemplateKwargs: { thinking: false, nested: { deep: [1, 'two', null] } },
  },
};

/** One task of each kind with every field. */
export const fullTasks: Task[] = [
  {
    kind: 'image',
    prompt: 'a fox',
    negativePrompt: 'blurry',
    initImageUrl: 'https://h/i.png',
    maskUrl: 'https://h/m.png',
    refImageUrl: 'https://h/r.png',
    denoise: 0.5,
    cfgScale: 7,
    samplingMethod: 'euler',
    width: 1024,
    height: 768,
    steps: 8,
    seed: 42,
    ext: 'png',
  },
  {
    kind: 'llm',
    messages: [
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'second' },
      { role: 'user', content: 'third' },
    ],
    system: 'be brief',
    maxTokens: 16,
    temperature: 0,
    topP: 0.9,
    stop: ['\n'],
    jsonSchema: { type: 'object' },
    reasoning: 'low',
    chatTemplateKwargs: { enable_thinking: false },
  },
  {
    kind: 'audio_stt',
    inputUrl: 'https://h/a.wav',
    language: 'de',
    translate: true,
    prompt: 'names: Ada',
    vad: true,
    timestamps: 'word',
  },
  { kind: 'audio_tts', text: 'hello', voice: 'amy', speed: 1.25, language: 'en', ext: 'mp3' },
  {
    kind: 'video',
    prompt: 'a river',
    negativePrompt: 'still',
    initImageUrl: 'https://h/i.png',
    seconds: 3.5,
    fps: 16,
    width: 640,
    height: 360,
    ext: 'webp',
  },
];

export const claim: JobClaim = {
  jobId: 'job-7',
  gameId: 'game-a',
  assetName: 'game-a/creatures/fox',
  model: 'z-image-turbo-q4_k_m.gguf',
  vramGbEstimate: 12,
  task: fullTasks[0] as Task,
  modelSource,
};

/** Every frame a worker sends, with every field. */
export const workerFrames: WorkerFrame[] = [
  { type: 'hello', authToken: 'tok', capabilities, inFlight: ['job-1', 'job-2'] },
  { type: 'heartbeat', capabilities, currentJobId: 'job-9', currentJobIds: ['job-9', 'job-10'] },
  { type: 'accept', jobId: 'job-1' },
  { type: 'reject', jobId: 'job-1', reason: 'worker already has an in-flight job', code: 'busy' },
  { type: 'completeJson', jobId: 'job-2', result: { object: 'chat.completion', n: [1, null, true] }, prompt: 'hi' },
  { type: 'fail', jobId: 'job-1', error: 'out of memory', retryable: true, code: 'vram_exhausted' },
  {
    type: 'logBatch',
    entries: [
      { ts: '2026-10-07T10:00:00.123Z', level: 'info', category: 'ws', message: 'json result sent', jobId: 'job-2' },
      { ts: '2026-10-07T10:00:01.000Z', level: 'error', category: 'logs', message: 'no job' },
    ],
  },
  { type: 'readyForMore' },
  { type: 'progress', jobId: 'job-1', ratio: 0.25, step: 2, steps: 8 },
];

/** Every frame a studio sends, with every field. */
export const studioFrames: StudioFrame[] = [
  {
    type: 'welcome',
    workerId: 'w-1',
    serverTime: '2026-10-07T10:00:00Z',
    features: ['resume', 'a-later-one'],
    resumed: ['job-1'],
  },
  { type: 'offer', claim },
  { type: 'heartbeatAck' },
  { type: 'completeAck', jobId: 'job-1' },
  { type: 'failAck', jobId: 'job-1' },
  { type: 'error', code: 'duplicate_worker', message: 'replaced' },
  { type: 'cancel', jobId: 'job-1', reason: 'cancelled by the operator' },
];
