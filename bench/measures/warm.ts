// What keeping a model warm is worth, engine by engine: the second job over the first one, which also loads; and whether
// the memory comes back once the model is unloaded. Real libraries in real engine processes, on models made by scripts;
// sd-server is played by the stand-in, so its row shows what the start of a program costs, not the load of weights.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lama } from '../../fixtures/models/lama.ts';
import { scriptedLlama } from '../../fixtures/models/scripted-llama.ts';
import { vitsModel, vitsTokens } from '../../fixtures/models/vits.ts';
import { whisperModel } from '../../fixtures/models/whisper.ts';
import { modelText } from '../../fixtures/sd-cpp/behaviour.ts';
import type { Task } from '../../src/protocol/index.ts';
import type { HostJob } from '../../src/workers/types.ts';
import { pngUrl } from '../../tests/engines/data-url.ts';
import { noFfmpeg } from '../../tests/engines/ffmpeg/have-ffmpeg.ts';
import { useStandIn } from '../../tests/engines/sd-cpp/scene.ts';
import { ctcFiles } from '../../tests/engines/sherpa-stream/rig.ts';
import { ears, openRig, syntheticJob, task } from '../../tests/workers/rig.ts';
import { median, round } from '../stats.ts';

export type Warm = {
  readonly engine: string;
  readonly coldMs: number;
  readonly warmMs: number;
  readonly ratio: number;
  /** Engine processes that are left after the unload; 0, or memory was kept. */
  readonly processesAfterUnload: number;
};

const ROUNDS = 5;
/** What the stand-in was started as, one line of JSON a start. */
const STAND_IN_LOG = 'starts.jsonl';

type File = { role: string; filename: string; content: Uint8Array | string };
type Subject = { engine: string; model?: string; files: readonly File[]; task: Task };

export async function measureWarm(): Promise<Warm[]> {
  const root = await mkdtemp(join(tmpdir(), 'studio-worker-bench-warm-'));
  useStandIn('server');
  process.env.STAND_IN_LOG = join(root, STAND_IN_LOG);
  try {
    const results: Warm[] = [];
    for (const subject of await subjects()) results.push(await measureOne(root, subject));
    return results;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function measureOne(root: string, { engine, model = engine, files, task }: Subject): Promise<Warm> {
  await mkdir(join(root, engine), { recursive: true });
  for (const { filename, content } of files) await writeFile(join(root, engine, filename), content);
  const listed = files.map(({ role, filename }) => ({ role, filename, url: `https://models.invalid/${filename}` }));
  const job = (): HostJob => syntheticJob(task.kind, '', { engine, model, files: listed, task });
  const cold: number[] = [];
  const warm: number[] = [];
  let processesAfterUnload = 0;
  for (let index = 0; index < ROUNDS; index += 1) {
    await using rig = await openRig({ engine: { modelsRoot: root, gpu: 'cpu' } });
    const timed = async (): Promise<number> => {
      const startedMs = performance.now();
      await rig.host.run(job(), ears()).done;
      return performance.now() - startedMs;
    };
    cold.push(await timed());
    warm.push(await timed());
    const own = rig.host.models().flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    const pids = [...own, ...(await standIns(root))];
    await rig.host[Symbol.asyncDispose]();
    processesAfterUnload += pids.filter(lives).length;
  }
  const [coldMs, warmMs] = [median(cold), median(warm)];
  return { engine, coldMs, warmMs, ratio: round(warmMs / coldMs), processesAfterUnload };
}

/** Every sd-server so far: none may outlive its model. */
async function standIns(root: string): Promise<number[]> {
  const text = await readFile(join(root, STAND_IN_LOG), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { pid: number }).pid);
}

async function subjects(): Promise<Subject[]> {
  const picture = await pngUrl(96, 64, () => [51, 51, 51]);
  const mask = await pngUrl(96, 64, (x, y) => [x >= 32 && x < 64 && y >= 20 && y < 44 ? 255 : 0]);
  const scripts = [{ pieces: ['Hello', ' world', '.'] }];
  return [
    {
      engine: 'llama-cpp',
      files: [{ role: 'model', filename: 'model.gguf', content: scriptedLlama({ scripts, contextLength: 1024 }) }],
      task: task('llm', 'hello'),
    },
    {
      engine: 'whisper-cpp',
      files: [
        {
          role: 'model',
          filename: 'model.bin',
          content: whisperModel({ language: 'en', speech: [{ text: ' Hello', at: 1 }] }),
        },
      ],
      task: task('audio_stt', secondOfSound()),
    },
    {
      engine: 'piper',
      files: [
        { role: 'model', filename: 'voice.onnx', content: vitsModel() },
        { role: 'tokens', filename: 'tokens.txt', content: vitsTokens() },
      ],
      task: task('audio_tts', 'hello there.'),
    },
    { engine: 'sherpa-stream', files: ctcFiles(), task: task('audio_stt', secondOfSound()) },
    {
      engine: 'onnx',
      files: [{ role: 'model', filename: 'model.onnx', content: lama() }],
      task: task('image', '', { initImageUrl: picture, maskUrl: mask, width: 96, height: 64 }),
    },
    {
      engine: 'sd-cpp',
      files: [{ role: 'model', filename: 'model.gguf', content: modelText() }],
      task: task('image', 'a fox', { width: 64, height: 64, steps: 4 }),
    },
    // Without a model there is nothing to load: both jobs start ffmpeg, and the first one also looks for it.
    ...(noFfmpeg
      ? []
      : [{ engine: 'ffmpeg', model: 'ffmpeg-still', files: [], task: task('video', 'a fox', { ext: 'mp4' }) }]),
    { engine: 'synthetic', files: [], task: task('llm', 'hello') },
  ];
}

/** One second of a square wave as a WAV file: 16 kHz, mono, 16 bit. */
function secondOfSound(): string {
  const samples = Buffer.alloc(32_000);
  for (let i = 0; i < 16_000; i += 1) samples.writeInt16LE(i % 40 < 20 ? 6_000 : -6_000, i * 2);
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(16_000, 24);
  header.writeUInt32LE(32_000, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.length, 40);
  return `data:audio/wav;base64,${Buffer.concat([header, samples]).toString('base64')}`;
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
