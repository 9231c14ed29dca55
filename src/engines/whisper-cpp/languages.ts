// The languages that whisper models know, by the codes that whisper.cpp takes. An unknown code must never reach it: it
// answers with an exception that no promise carries, and the job would hang.
import { Failure } from '../../protocol/failure.ts';

/** In whisper.cpp's own order; the last came with large-v3, and older models would take it for the translate token. */
const CODES =
  'en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue'.split(
    ' ',
  );
const SINCE_V3 = 'yue';
/** Today's names of what whisper calls otherwise. */
const ALIASES: Readonly<Record<string, string>> = { nb: 'no', jv: 'jw', fil: 'tl', iw: 'he', cmn: 'zh' };

export type LanguageSupport = { readonly multilingual: boolean; readonly cantonese: boolean };

/** The code to pass on: `auto` when the task names none. Takes tags such as `pt-BR` too. */
export function languageCode(asked: string | undefined, { multilingual, cantonese }: LanguageSupport): string {
  const tag = asked?.trim().toLowerCase().replaceAll('_', '-') ?? '';
  if (tag === '' || tag === 'auto') return multilingual ? 'auto' : 'en';
  const primary = tag.split('-')[0] ?? '';
  const code = ALIASES[primary] ?? primary;
  if (!CODES.includes(code)) {
    throw new Failure('INPUT_INVALID', `whisper knows no language \`${asked}\`; it knows: auto, ${CODES.join(', ')}`);
  }
  if (!multilingual && code !== 'en') {
    throw new Failure('INPUT_INVALID', `this whisper model knows English only, not \`${asked}\``);
  }
  if (code === SINCE_V3 && !cantonese) {
    throw new Failure('INPUT_INVALID', `this whisper model does not know \`${asked}\`; large-v3 does`);
  }
  return code;
}
