// Where Chromium is, for who looks at pages with it.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** MELA_CHROMIUM, or the first there is on the PATH. */
export function findChromium() {
  if (process.env.MELA_CHROMIUM) return process.env.MELA_CHROMIUM;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    for (const folder of process.env.PATH.split(delimiter)) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not in this folder.
      }
    }
  }
  throw new Error('No Chromium was found: install it, or name it in MELA_CHROMIUM.');
}
