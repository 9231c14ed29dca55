// Is a result what its kind promises? Each is decoded whole: a file with the right name and the wrong bytes is a failure.
import sharp from 'sharp';
import wavefile from 'wavefile';
import { z } from 'zod';
import type { TaskKind } from '../../protocol/index.ts';

const ChatCompletion = z.object({
  object: z.literal('chat.completion'),
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1),
});
const Transcription = z.object({ text: z.string(), language: z.string(), duration: z.number() });

/** What it is, in a few words; rejects when it is something else. */
export async function checkResult(kind: TaskKind, bytes: Uint8Array): Promise<string> {
  switch (kind) {
    case 'image':
      return checkPicture(bytes, false);
    case 'video':
      return checkPicture(bytes, true);
    case 'audio_tts':
      return checkSpeech(bytes);
    case 'llm': {
      const { choices } = ChatCompletion.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
      return `answer of ${choices[0]?.message.content.length ?? 0} characters`;
    }
    case 'audio_stt': {
      const { text, language } = Transcription.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
      return `transcript of ${text.length} characters (${language})`;
    }
  }
}

async function checkPicture(bytes: Uint8Array, animated: boolean): Promise<string> {
  const picture = sharp(bytes, { animated });
  const { format, width, pageHeight, height, pages = 1 } = await picture.metadata();
  if (format !== 'webp') throw new Error(`expected webp, got ${format}`);
  if (animated && pages < 2) throw new Error('expected an animation, got one picture');
  // The header is not the picture: decoding it all finds a truncated file.
  await picture.raw().toBuffer();
  return `webp ${width}×${pageHeight ?? height}${animated ? `, ${pages} frames` : ''}`;
}

function checkSpeech(bytes: Uint8Array): string {
  const { fmt, data } = new wavefile.WaveFile(bytes) as unknown as {
    fmt: { sampleRate: number; numChannels: number; blockAlign: number };
    data: { samples: Uint8Array };
  };
  const seconds = data.samples.length / fmt.blockAlign / fmt.sampleRate;
  if (!(seconds > 0)) throw new Error('expected speech, got an empty WAV file');
  return `wav ${fmt.sampleRate} Hz, ${fmt.numChannels === 1 ? 'mono' : `${fmt.numChannels} channels`}, ${seconds.toFixed(1)} s`;
}
