// One second of a sine tone whose pitch is read from the text: a real WAV file, and exactly as long as upstream's.
import wavefile from 'wavefile';
import type { TtsTask } from '../../protocol/index.ts';
import type { EngineResult, RunContext } from '../engine.ts';
import { digestOf } from './picture.ts';
import { pieces } from './pieces.ts';

const SAMPLE_RATE = 22_050;
const AMPLITUDE = 0.4;

export function speech(task: TtsTask, context: RunContext): EngineResult {
  const hertz = 220 + ((digestOf(task.text)[0] ?? 0) * 660) / 255;
  const samples = Int16Array.from({ length: SAMPLE_RATE }, (_, i) =>
    Math.round(Math.sin((2 * Math.PI * hertz * i) / SAMPLE_RATE) * AMPLITUDE * 32_767),
  );
  const wav = new wavefile.WaveFile();
  wav.fromScratch(1, SAMPLE_RATE, '16', samples);
  context.progress({ ratio: 1 });
  return { kind: 'bytes', ext: 'wav', chunks: pieces(wav.toBuffer()) };
}
