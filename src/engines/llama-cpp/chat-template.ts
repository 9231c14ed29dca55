// Renders a conversation with the model's own chat template, and with nothing but the variables that the contract
// names. The library's Jinja wrapper adds messages and overrides flags of its own.
import { Template } from '@huggingface/jinja';
import { Failure } from '../../protocol/failure.ts';
import type { ChatMessage, LlmTask } from '../../protocol/index.ts';

export type TemplateKwargs = NonNullable<LlmTask['chatTemplateKwargs']>;

export type ChatTemplate = {
  /** `kwargs` are further variables, such as `enable_thinking`. Our own four cannot be overridden. */
  render(messages: readonly ChatMessage[], kwargs: TemplateKwargs): string;
};

export function compileTemplate(text: string, tokens: { bos: string; eos: string }): ChatTemplate {
  const template = parse(text);
  return {
    render(messages, kwargs) {
      try {
        return template.render({
          ...kwargs,
          messages: messages.map(({ role, content }) => ({ role, content })),
          add_generation_prompt: true,
          bos_token: tokens.bos,
          eos_token: tokens.eos,
        });
      } catch (cause) {
        // Templates call raise_exception() for a conversation that the model was not made for.
        throw new Failure('INPUT_INVALID', `the model's chat template refuses this conversation: ${textOf(cause)}`, {
          cause,
        });
      }
    },
  };
}

/** The messages as the template gets them. */
export function conversation({ system, messages }: LlmTask): ChatMessage[] {
  return system === undefined ? messages : [{ role: 'system', content: system }, ...messages];
}

function parse(text: string): Template {
  try {
    return new Template(text);
  } catch (cause) {
    const message = `the model's chat template is not valid Jinja: ${textOf(cause)}; use another file of this model`;
    throw new Failure('MODEL_INVALID', message, { cause });
  }
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
