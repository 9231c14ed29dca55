// The jobs of the demo: one of every kind for the synthetic models, and the file that each result becomes.
import wavefile from 'wavefile';
import type { TaskKind } from '../../protocol/index.ts';
import type { NewJob } from '../operator-client.ts';

export type DemoJob = { order: NewJob; file: string };

/** The files' names, with what stands before the number when there are several of a kind. */
const FILES: Record<TaskKind, { name: string; ext: string; model: string }> = {
  image: { name: 'image', ext: 'webp', model: 'synthetic-image' },
  llm: { name: 'llm', ext: 'json', model: 'synthetic-llm' },
  audio_stt: { name: 'audio_stt', ext: 'json', model: 'synthetic-stt' },
  audio_tts: { name: 'audio_tts', ext: 'wav', model: 'synthetic-tts' },
  video: { name: 'video', ext: 'webp', model: 'synthetic-video' },
};

export function demoJobs(prompt: string | undefined, count: number): DemoJob[] {
  const jobs: DemoJob[] = [];
  for (const [kind, { name, ext, model }] of Object.entries(FILES) as [TaskKind, (typeof FILES)[TaskKind]][]) {
    for (let number = 1; number <= count; number++) {
      const file = count === 1 ? `${name}.${ext}` : `${name}-${number}.${ext}`;
      jobs.push({ order: { kind, model, params: paramsOf(kind, prompt), assetName: `demo/${file}` }, file });
    }
  }
  return jobs;
}

function paramsOf(kind: TaskKind, prompt: string | undefined): NewJob['params'] {
  switch (kind) {
    case 'image':
      return {
        prompt: prompt ?? 'a red fox asleep in fresh snow, soft morning light',
        width: 512,
        height: 384,
        ext: 'webp',
      };
    case 'llm':
      return { messages: [{ role: 'user', content: prompt ?? 'Why do foxes sleep curled up? One sentence.' }] };
    case 'audio_stt':
      return { inputUrl: toneUrl(), language: 'en' };
    case 'audio_tts':
      return { text: prompt ?? 'The fox sleeps until the sun is high.', ext: 'wav' };
    case 'video':
      return { prompt: prompt ?? 'a red fox wakes up and stretches', seconds: 1, width: 256, height: 256, ext: 'webp' };
  }
}

/** A second of a quiet 440 Hz tone, 16 kHz mono, as a `data:` URL: something to hear that needs no network. */
function toneUrl(): string {
  const rate = 16_000;
  const samples = Int16Array.from({ length: rate }, (_, at) => 3_000 * Math.sin((2 * Math.PI * 440 * at) / rate));
  const wav = new wavefile.WaveFile();
  wav.fromScratch(1, rate, '16', samples);
  return wav.toDataURI();
}
