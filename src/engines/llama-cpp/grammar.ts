// The grammar that keeps an answer within a JSON schema.
import type { Llama, LlamaGrammar } from 'node-llama-cpp';
import { Failure } from '../../protocol/failure.ts';
import { supportedSchema } from './json-schema.ts';

/** The library's way to end an answer: it must be followed by four line ends, each a token that nobody asked for. */
const LIBRARY_END = ' "\\n\\n\\n\\n" [\\n]*';

/** After the JSON nothing but the end of the answer is allowed. */
export async function grammarFor(llama: Llama, schema: unknown): Promise<LlamaGrammar> {
  const supported = supportedSchema(schema);
  try {
    const { grammar } = await llama.createGrammarForJsonSchema(supported);
    return await llama.createGrammar({ grammar: grammar.replace(LIBRARY_END, '') });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(
      'INPUT_INVALID',
      `jsonSchema cannot be turned into a grammar: ${why}; simplify it, or lower its limits`,
      { cause },
    );
  }
}
