import { StackError } from '../../shared/errors.ts';
import { catalogue } from './catalogue.ts';

/**
 * A name that no service has would be no error and have no effect. `named`: the services to name in what is said.
 * @throws {StackError} SETTINGS_INVALID
 */
export const refuseUnknownImages = (
  overrides: Readonly<Record<string, string>>,
  named: readonly string[],
): void => {
  const unknown = Object.keys(overrides).filter((name) => !Object.hasOwn(catalogue, name));
  if (unknown.length === 0) return;
  throw new StackError(
    'SETTINGS_INVALID',
    `images/overrides: no service is named ${unknown.map((name) => `"${name}"`).join(', ')}`,
    {
      hint: `these are: ${named.join(', ')}; services of the host's own compose.yaml name their image there`,
      data: { unknown, known: named },
    },
  );
};
