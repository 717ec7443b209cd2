import { parseSettings } from '../../src/settings/load.ts';
import { addressesOf, pathsOf, type Settings } from '../../src/settings/settings.ts';

const base = `
domain: lab.localhost
certificates: { contact: admin@lab.localhost }
cloudflare: { token: { value: test-token } }
identity: { admin: { username: alice, email: alice@lab.localhost, first_name: Alice } }
images: { stand_ins: true }
`;

/** Settings of a test host whose state lies in `root`; `yaml` adds sections to the smallest valid file. */
export const testSettings = (
  root: string,
  yaml = '',
  host = 'lab',
  reachability = 'reachability: { mode: port, port: 18443 }',
): Settings => {
  const settings = parseSettings(`${base}\n${reachability}\n${yaml}`, 'test settings');
  return {
    ...settings,
    host,
    project: `skylab-${host}`,
    folder: root,
    installation: process.cwd(),
    addresses: addressesOf(settings),
    paths: pathsOf(root, host),
  };
};
