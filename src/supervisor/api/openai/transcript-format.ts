// A transcript in the five forms that OpenAI's clients may ask for. Pure.
import { z } from 'zod';
import { absent } from '../../../protocol/absent.ts';

const Word = z.object({ word: z.string(), start: z.number(), end: z.number() });
const Segment = z.object({
  start: z.number(),
  end: z.number(),
  text: z.string(),
  words: absent(z.array(Word)),
});

/** What engines answer; an operator's own engine is checked as well. */
export const Transcript = z.object({
  text: z.string(),
  language: absent(z.string()),
  duration: absent(z.number()),
  segments: absent(z.array(Segment)),
});
export type Transcript = z.infer<typeof Transcript>;

export const TRANSCRIPT_FORMATS = ['json', 'verbose_json', 'text', 'srt', 'vtt'] as const;
export type TranscriptFormat = (typeof TRANSCRIPT_FORMATS)[number];

export type Granularity = 'segment' | 'word';

export type Formatted = { readonly contentType: string; readonly body: string };

export function formatted(
  transcript: Transcript,
  format: TranscriptFormat,
  { task, granularities }: { task: 'transcribe' | 'translate'; granularities: readonly Granularity[] },
): Formatted {
  switch (format) {
    case 'json':
      return json({ text: transcript.text });
    case 'verbose_json':
      return json(verbose(transcript, task, granularities));
    case 'text':
      return { contentType: 'text/plain; charset=utf-8', body: `${transcript.text}\n` };
    case 'srt':
      return { contentType: 'application/x-subrip; charset=utf-8', body: srt(cuesOf(transcript)) };
    case 'vtt':
      return { contentType: 'text/vtt; charset=utf-8', body: vtt(cuesOf(transcript)) };
  }
}

function json(value: unknown): Formatted {
  return { contentType: 'application/json', body: JSON.stringify(value) };
}

function verbose(
  { text, language = 'en', duration = 0, segments = [] }: Transcript,
  task: 'transcribe' | 'translate',
  granularities: readonly Granularity[],
): object {
  const words = segments.flatMap((segment) => segment.words ?? []);
  return {
    task,
    // A translation is always English, whatever was spoken.
    language: task === 'translate' ? 'en' : language,
    duration,
    text,
    ...(granularities.includes('segment') && {
      segments: segments.map(({ start, end, text }, id) => ({ id, start, end, text })),
    }),
    ...(granularities.includes('word') && { words }),
  };
}

type Cue = { readonly start: number; readonly end: number; readonly text: string };

/** An engine without times gives one cue for all of it. */
function cuesOf({ segments, text, duration = 0 }: Transcript): Cue[] {
  const cues: readonly Cue[] = segments ?? [{ start: 0, end: duration, text }];
  // An empty line would end a cue in the middle.
  return cues
    .map(({ start, end, text }) => ({ start, end, text: text.trim().replace(/\s*\n\s*/g, '\n') }))
    .filter((cue) => cue.text !== '');
}

function srt(cues: readonly Cue[]): string {
  return cues
    .map(({ start, end, text }, index) => `${index + 1}\n${time(start, ',')} --> ${time(end, ',')}\n${text}\n\n`)
    .join('');
}

function vtt(cues: readonly Cue[]): string {
  const blocks = cues.map(({ start, end, text }) => `${time(start, '.')} --> ${time(end, '.')}\n${escaped(text)}\n\n`);
  return `WEBVTT\n\n${blocks.join('')}`;
}

/** In WebVTT these begin a tag or an entity; `-->` would begin another cue. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function time(seconds: number, point: ',' | '.'): string {
  const ms = Math.max(0, Math.round(seconds * 1000));
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const rest = String(ms % 1000).padStart(3, '0');
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}${point}${rest}`;
}
