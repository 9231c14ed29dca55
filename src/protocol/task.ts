// What a job asks for: one payload a kind, told apart by `kind`. Defaults are those of the wire contract.
import { z } from 'zod';
import { absent, defaulted } from './absent.ts';
import { finite, u32, u64 } from './numbers.ts';

/** Every kind of job, in the order in which capabilities list them. */
export const TASK_KINDS = ['image', 'llm', 'audio_stt', 'audio_tts', 'video'] as const;
export const TaskKind = z.enum(TASK_KINDS);
export type TaskKind = z.infer<typeof TaskKind>;

/** Sizes in pixels; `steps` 20 means "not chosen" to some engines; `denoise` is the img2img strength, 0 to 1. */
export const ImageTask = z.object({
  kind: z.literal('image'),
  prompt: z.string(),
  negativePrompt: absent(z.string()),
  initImageUrl: absent(z.string()),
  maskUrl: absent(z.string()),
  refImageUrl: absent(z.string()),
  denoise: absent(finite),
  cfgScale: absent(finite),
  samplingMethod: absent(z.string()),
  width: defaulted(u32, 512),
  height: defaulted(u32, 512),
  steps: defaulted(u32, 20),
  seed: absent(u64),
  ext: defaulted(z.string(), 'webp'),
});
export type ImageTask = z.infer<typeof ImageTask>;

export const ChatMessage = z.object({ role: z.string(), content: z.string() });
export type ChatMessage = z.infer<typeof ChatMessage>;

/** `temperature` of 0 or below means greedy; `system` is put before the messages. */
export const LlmTask = z.object({
  kind: z.literal('llm'),
  messages: z.array(ChatMessage),
  system: absent(z.string()),
  maxTokens: defaulted(u32, 512),
  temperature: defaulted(finite, 0.7),
  topP: absent(finite),
  /** Without one the engine takes a fixed seed, so that the same job gives the same answer. */
  seed: absent(u64),
  stop: absent(z.array(z.string())),
  jsonSchema: absent(z.json()),
  reasoning: absent(z.string()),
  chatTemplateKwargs: absent(z.record(z.string(), z.json())),
});
export type LlmTask = z.infer<typeof LlmTask>;

export const SttTask = z.object({
  kind: z.literal('audio_stt'),
  inputUrl: z.string(),
  language: absent(z.string()),
  translate: absent(z.boolean()),
  prompt: absent(z.string()),
  vad: absent(z.boolean()),
  timestamps: absent(z.enum(['segment', 'word'])),
});
export type SttTask = z.infer<typeof SttTask>;

/** `speed` is a factor: 1 is the voice's own pace. */
export const TtsTask = z.object({
  kind: z.literal('audio_tts'),
  text: z.string(),
  voice: defaulted(z.string(), 'default'),
  speed: absent(finite),
  language: absent(z.string()),
  ext: defaulted(z.string(), 'wav'),
});
export type TtsTask = z.infer<typeof TtsTask>;

export const VideoTask = z.object({
  kind: z.literal('video'),
  prompt: z.string(),
  negativePrompt: absent(z.string()),
  initImageUrl: absent(z.string()),
  seconds: defaulted(finite, 2),
  fps: absent(finite),
  width: defaulted(u32, 512),
  height: defaulted(u32, 512),
  ext: defaulted(z.string(), 'mp4'),
});
export type VideoTask = z.infer<typeof VideoTask>;

export const Task = z.discriminatedUnion('kind', [ImageTask, LlmTask, SttTask, TtsTask, VideoTask]);
export type Task = z.infer<typeof Task>;

/** The prompt that is sent back whole with a result: what the job was about, in the user's own words. */
export function fullPrompt(task: Task): string {
  switch (task.kind) {
    case 'image':
    case 'video':
      return task.prompt;
    case 'llm':
      return task.messages.at(-1)?.content ?? '';
    case 'audio_stt':
      return task.inputUrl;
    case 'audio_tts':
      return task.text;
  }
}
