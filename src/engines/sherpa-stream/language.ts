// Which language a multilingual streaming model is told. The library takes an unknown one for "find out", and complains
// once a chunk; we refuse it. Pure.
import { Failure } from '../../protocol/failure.ts';

/** The model's own tag, or `undefined` when it shall find out by itself. */
export function languageTag(asked: string | undefined, languages: readonly string[]): string | undefined {
  const wanted = normal(asked ?? '');
  // A model with one language has nothing to choose from.
  if (wanted === '' || wanted === 'auto' || languages.length === 0) return undefined;
  const exact = languages.find((tag) => normal(tag) === wanted);
  const [primary] = wanted.split('-');
  // `de` is served by `de-DE`, and `de-AT` too where there is no Austrian of its own.
  const found = exact ?? languages.find((tag) => normal(tag).split('-')[0] === primary);
  if (found !== undefined) return found;
  throw new Failure(
    'INPUT_INVALID',
    `the model knows no language \`${asked}\`; it knows: auto, ${languages.join(', ')}`,
  );
}

function normal(tag: string): string {
  return tag.trim().toLowerCase().replaceAll('_', '-');
}
