// A job as it stands on the command line, as the request of the local API that runs it. Pure.
import type { TaskKind } from '../../../protocol/index.ts';
import { UsageError } from '../command.ts';

export type JobWish = {
  readonly kind: string;
  /** A prompt, a text to speak, or for speech to text the recording: a URL or what `recording` made of a file. */
  readonly input: string;
  readonly model?: string | undefined;
  /** `key=value` each. */
  readonly set: readonly string[];
};

export type JobRequest = {
  readonly kind: TaskKind;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** How the prompt begins in the list of jobs; tells the job from others. */
  readonly prompt: string;
};

/** As people say it, and as the wire does. */
const KINDS: Readonly<Record<string, TaskKind>> = {
  image: 'image',
  llm: 'llm',
  stt: 'audio_stt',
  tts: 'audio_tts',
  video: 'video',
  audio_stt: 'audio_stt',
  audio_tts: 'audio_tts',
};

export const KINDS_TOLD = 'image, llm, stt, tts or video';

export function jobKind(text: string): TaskKind {
  if (Object.hasOwn(KINDS, text)) return KINDS[text] as TaskKind;
  throw new UsageError(`unknown kind of job \`${text}\`: there are ${KINDS_TOLD}`);
}

export function jobRequest({ kind: text, input, model, set }: JobWish): JobRequest {
  const kind = jobKind(text);
  if (input.trim() === '') throw new UsageError('the job needs a text');
  const { system, ...settings } = settingsOf(set);
  const common = { ...(model !== undefined && { model }), ...settings };
  if (system !== undefined && kind !== 'llm') throw new UsageError('--set system=… is for llm jobs');
  switch (kind) {
    case 'llm': {
      const user = { role: 'user', content: input };
      const messages = system === undefined ? [user] : [{ role: 'system', content: String(system) }, user];
      return { kind, path: '/v1/chat/completions', body: { ...common, messages, stream: true }, prompt: input };
    }
    case 'audio_tts':
      return { kind, path: '/tts', body: { ...common, text: input }, prompt: input };
    case 'audio_stt':
      return { kind, path: '/stt', body: { ...common, inputUrl: input }, prompt: '' };
    case 'image':
    case 'video':
      return { kind, path: `/${kind}`, body: { ...common, prompt: input }, prompt: input };
  }
}

/** A value that reads as JSON is that (a number, true, a list), every other one is a text. */
function settingsOf(set: readonly string[]): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const text of set) {
    const [, key, value = ''] = /^([A-Za-z_]\w{0,63})=(.*)$/s.exec(text) ?? [];
    if (key === undefined) throw new UsageError(`--set ${text.slice(0, 80)}: expected key=value`);
    if (key === '__proto__') throw new UsageError('--set __proto__ is no setting');
    settings[key] = readValue(value);
  }
  return settings;
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
