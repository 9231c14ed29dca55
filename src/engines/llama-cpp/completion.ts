// One chat completion: prompt in, tokens out one by one, the result in OpenAI's shape. The prompt is refused when it does
// not fit; the context is never shifted, since then the model would answer a question that nobody asked.
import {
  type LlamaContextSequence,
  type LlamaGrammar,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import { Failure } from '../../protocol/failure.ts';
import type { LlmTask } from '../../protocol/index.ts';
import type { CompleteAnswer, EngineResult, LlmRequest, RunContext } from '../engine.ts';
import { type ChatTemplate, conversation, type TemplateKwargs } from './chat-template.ts';
import { grammarFor } from './grammar.ts';
import { openReasoning, type Reasoning, withoutReasoning } from './reasoning.ts';
import type { Sequences } from './sequences.ts';
import { openStopScanner } from './stop-scanner.ts';
import { openTokenText } from './token-text.ts';
import { unlessAborted } from './unless-aborted.ts';

/** A model that goes on with texts. */
export type TextModel = {
  readonly model: LlamaModel;
  readonly sequences: Sequences;
  readonly addBos: boolean;
};

/** One that also holds conversations. */
export type ChatModel = TextModel & {
  /** The model's name as the job gave it. */
  readonly name: string;
  readonly template: ChatTemplate;
  /** The model's own template variables; a job's override them. */
  readonly templateKwargs: TemplateKwargs;
};

/** The contract's, for a job without a seed of its own: the same job gives the same answer. */
const SEED = 1234;
/** The library keeps 32 bits of a seed, and takes the largest of them for "any". */
const SEEDS = 2 ** 32 - 1;
/** The studio is told of progress four times a second at most. */
const PROGRESS_MS = 250;

/** What decides how the next token is chosen, and when to stop. */
type Sampling = Pick<LlmTask, 'maxTokens' | 'temperature' | 'topP' | 'stop' | 'seed'>;

type Answer = { content: string; reasoning: string; tokens: number; finish: 'stop' | 'length' };

export async function complete(chat: ChatModel, task: LlmTask, context: RunContext): Promise<EngineResult> {
  const startedMs = performance.now();
  const prompt = promptOf(chat, task);
  const grammar = task.jsonSchema === undefined ? undefined : await grammarFor(chat.model.llama, task.jsonSchema);
  const split = openReasoning(prompt.opensThought, context.reasoning);
  const { content, reasoning, tokens, finish } = await generate(chat, task, prompt.tokens, split, grammar, context);
  return {
    kind: 'json',
    value: {
      object: 'chat.completion',
      model: chat.name,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content, ...(reasoning !== '' && { reasoning_content: reasoning }) },
          finish_reason: finish,
        },
      ],
      usage: {
        prompt_tokens: prompt.tokens.length,
        completion_tokens: tokens,
        total_tokens: prompt.tokens.length + tokens,
      },
      elapsed_ms: Math.round(performance.now() - startedMs),
    },
  };
}

/** Goes on with a text as it stands: no template, and nothing that is taken for a thought. */
export async function completeText(
  text: TextModel,
  task: Extract<LlmRequest, { operation: 'complete' }>,
  context: RunContext,
): Promise<EngineResult> {
  // Whoever writes a whole prompt writes its special tokens too, as for filling in the middle of a program.
  const tokens = withBos(text, text.model.tokenize(task.prompt, true));
  // A model without a first token of its own has nothing to begin an empty text from.
  if (tokens.length === 0) throw new Failure('INPUT_INVALID', 'the prompt is empty');
  checkFits(text, tokens);
  const answer = await generate(text, task, tokens, withoutReasoning(), undefined, context);
  const value: CompleteAnswer = {
    text: answer.content,
    finish_reason: answer.finish,
    usage: {
      prompt_tokens: tokens.length,
      completion_tokens: answer.tokens,
      total_tokens: tokens.length + answer.tokens,
    },
  };
  return { kind: 'json', value };
}

/** Waits for a place, and answers there. */
async function generate(
  text: TextModel,
  task: Sampling,
  prompt: readonly Token[],
  split: Reasoning,
  grammar: LlamaGrammar | undefined,
  context: RunContext,
): Promise<Answer> {
  const place = await text.sequences.acquire(context.signal, () => context.progress({ ratio: 0 }));
  const answering = (async () => {
    // Given back only when the answer has ended: after a cancel the library still computes what it was given last.
    using held = place;
    context.signal.throwIfAborted();
    const state = grammar && new LlamaGrammarEvaluationState({ model: text.model, grammar });
    return await answer(text, held.sequence, task, prompt, split, state, context);
  })();
  const answered = await unlessAborted(answering, context.signal);
  context.progress({ ratio: 1 });
  return answered;
}

type Prompt = { readonly tokens: Token[]; readonly opensThought: boolean };

function promptOf(chat: ChatModel, task: LlmTask): Prompt {
  const { model, template, templateKwargs } = chat;
  const text = template.render(conversation(task), { ...templateKwargs, ...task.chatTemplateKwargs });
  const tokens = withBos(chat, model.tokenize(text, true));
  // The library's generator ends at once without a token to begin from.
  if (tokens.length === 0) throw new Failure('INPUT_INVALID', "the model's chat template made an empty prompt");
  checkFits(chat, tokens);
  return { tokens, opensThought: text.trimEnd().endsWith('<think>') };
}

function withBos({ model, addBos }: TextModel, tokens: Token[]): Token[] {
  const { bos } = model.tokens;
  return addBos && bos !== null && tokens[0] !== bos ? [bos, ...tokens] : tokens;
}

function checkFits({ sequences }: TextModel, { length }: readonly Token[]): void {
  if (length < sequences.contextSize) return;
  const advice = 'shorten the messages, or give the model a larger contextSize';
  throw new Failure(
    'INPUT_INVALID',
    `prompt is ${length} tokens but the context holds ${sequences.contextSize}; ${advice}`,
  );
}

async function answer(
  text: TextModel,
  sequence: LlamaContextSequence,
  task: Sampling,
  prompt: readonly Token[],
  reasoning: Reasoning,
  grammar: LlamaGrammarEvaluationState | undefined,
  context: RunContext,
): Promise<Answer> {
  const { signal } = context;
  // The last token of an answer is never computed on, so a full context is prompt and answer together.
  const budget = Math.min(Math.max(1, task.maxTokens), text.sequences.contextSize - prompt.length);
  const texts = openTokenText(text.model, prompt);
  const stops = openStopScanner(task.stop ?? []);
  let tokens = 0;
  let toldMs = 0;

  function say(text: string): void {
    const piece = reasoning.push(text);
    if (piece !== '') context.token(piece);
  }
  function tell(): void {
    const nowMs = performance.now();
    if (nowMs - toldMs < PROGRESS_MS) return;
    toldMs = nowMs;
    context.progress({ ratio: tokens / budget, step: tokens, steps: budget });
  }
  function finish(how: Answer['finish']): Answer {
    if (!stops.found) {
      say(stops.push(texts.end()));
      say(stops.end());
    }
    const { rest, content, reasoning: thought } = reasoning.end();
    if (rest !== '') context.token(rest);
    return { content, reasoning: thought, tokens, finish: stops.found ? 'stop' : how };
  }

  await sequence.clearHistory();
  const last = await readPrompt(text, sequence, prompt, signal, tell);
  const generated = sequence.evaluate(last, {
    temperature: Math.max(0, task.temperature),
    // The library's own defaults (40, 0.95) would narrow the choice where the job did not ask for it.
    topK: 0,
    topP: task.topP ?? 1,
    seed: (task.seed ?? SEED) % SEEDS,
    // A thought that the template has begun is free text; the grammar is for the answer after it.
    ...(grammar && { grammarEvaluationState: () => (reasoning.thinking ? undefined : grammar) }),
  });
  for await (const token of generated) {
    signal.throwIfAborted();
    tokens += 1;
    say(stops.push(texts.push(token)));
    if (stops.found) return finish('stop');
    if (tokens >= budget) return finish('length');
    tell();
  }
  signal.throwIfAborted();
  return finish('stop');
}

/** Computes the prompt but for its end, piece by piece, so that a cancel or the watchdog is heard in between. */
async function readPrompt(
  { sequences }: TextModel,
  sequence: LlamaContextSequence,
  prompt: readonly Token[],
  signal: AbortSignal,
  tell: () => void,
): Promise<Token[]> {
  let at = 0;
  for (; prompt.length - at > sequences.batchSize; at += sequences.batchSize) {
    await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(at, at + sequences.batchSize));
    signal.throwIfAborted();
    tell();
  }
  return prompt.slice(at);
}
