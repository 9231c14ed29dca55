// sherpa-onnx's addon links to libraries that lie beside it in its platform package. Where the linker does not look there
// by itself, it reads these variables, and it reads them before the process runs a line of ours.
import { createRequire } from 'node:module';
import { delimiter, dirname } from 'node:path';

/** Windows looks beside the library anyway. */
const VARIABLES: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'LD_LIBRARY_PATH',
  darwin: 'DYLD_LIBRARY_PATH',
};

export function processEnv(): Record<string, string> {
  const variable = VARIABLES[process.platform];
  const folder = platformFolder();
  if (variable === undefined || folder === undefined) return {};
  const before = process.env[variable];
  return { [variable]: before ? `${folder}${delimiter}${before}` : folder };
}

/** `undefined` when the package is not installed; loading the library then says so. */
function platformFolder(): string | undefined {
  try {
    const fromWrapper = createRequire(createRequire(import.meta.url).resolve('sherpa-onnx-node'));
    const platform = process.platform === 'win32' ? 'win' : process.platform;
    return dirname(fromWrapper.resolve(`sherpa-onnx-${platform}-${process.arch}/package.json`));
  } catch {
    return undefined;
  }
}
