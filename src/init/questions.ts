import type { Choice } from '../shared/prompts.ts';
import type { AnswerId, Answers } from './answers.ts';

/** What is known of this machine before anything is asked. */
export interface Machine {
  /** Addresses of this machine in networks at home, those of containers left out. */
  readonly addresses: readonly string[];
}

export interface Question {
  readonly id: AnswerId;
  /** Its flag on the command line, without dashes. */
  readonly flag: string;
  /** What the flag takes, for `--help`. */
  readonly takes: string;
  /** As a person is asked. */
  readonly message: string;
  /** For `--help`. */
  readonly about: string;
  readonly choices?: readonly Choice<string>[];
  /** What stands there where nothing was said before; also taken where nobody can be asked, if `assumes` is true. */
  readonly suggestion?: (answers: Answers, machine: Machine) => string | undefined;
  readonly assumes?: true;
}

const soleAddress = (_: Answers, { addresses }: Machine): string | undefined =>
  addresses.length === 1 ? addresses[0] : undefined;

/** Every question, in the order in which they are asked. */
export const questions: readonly Question[] = [
  {
    id: 'domain',
    flag: 'domain',
    takes: 'name',
    message: 'Which domain of yours, kept at Cloudflare, may this server use?',
    about: 'the domain at Cloudflare, such as example.org',
  },
  {
    id: 'username',
    flag: 'admin-username',
    takes: 'name',
    message: 'Who is the administrator? Sign-in name:',
    about: 'sign-in name of the first administrator',
  },
  {
    id: 'firstName',
    flag: 'admin-first-name',
    takes: 'name',
    message: "The administrator's first name:",
    about: "the administrator's first name",
  },
  {
    id: 'email',
    flag: 'admin-email',
    takes: 'address',
    message: "The administrator's e-mail address:",
    about: "the administrator's e-mail address",
  },
  {
    id: 'reach',
    flag: 'reach',
    takes: 'how',
    message: 'From where do devices reach this server?',
    about: 'from where devices reach this server: lan, port or public',
    choices: [
      {
        value: 'port',
        text: 'from anywhere, through one TCP port of your choice and UDP 3478; the router must forward both',
      },
      {
        value: 'public',
        text: 'from anywhere, through TCP 443 and UDP 3478; fails where the router or the provider keeps 443 closed',
      },
      {
        value: 'lan',
        text: 'at home only; nothing is forwarded, and a device that leaves home loses its tunnel and cannot sign in',
      },
    ],
    suggestion: () => 'port',
  },
  {
    id: 'port',
    flag: 'port',
    takes: 'number',
    message: 'Which TCP port? It is part of every address, and hard to change later:',
    about: 'the TCP port of every address; not with public, which means 443',
    suggestion: ({ reach }) => (reach === 'lan' ? '443' : '8443'),
    assumes: true,
  },
  {
    id: 'bind',
    flag: 'bind',
    takes: 'address',
    message: 'At which address of this machine? No other one will be used:',
    about: 'the address of this machine on which the ports are published',
    suggestion: soleAddress,
    assumes: true,
  },
  {
    id: 'door',
    flag: 'front-door',
    takes: 'who',
    message: 'Who answers at that port?',
    about: 'who holds the port: own or behind',
    choices: [
      { value: 'own', text: "the stack's own nginx; nothing else may hold the port" },
      {
        value: 'behind',
        text: 'an nginx that already runs here; you add one file to it, and it must be up for anything to work',
      },
    ],
    suggestion: () => 'own',
  },
  {
    id: 'token',
    flag: 'token',
    takes: 'where',
    message: "Where is Cloudflare's API token kept? It never stands in the settings.",
    about: "where Cloudflare's API token is: sops, file or env",
    choices: [
      {
        value: 'sops',
        text: 'encrypted beside the settings; needs the programs sops and age, and survives a reinstall',
      },
      { value: 'file', text: 'in a file that only its owner can read; a copy of the disk has it in clear' },
      {
        value: 'env',
        text: 'in the environment; it has to be there whenever you run up',
      },
    ],
    suggestion: () => 'sops',
  },
  {
    id: 'tokenFile',
    flag: 'token-file',
    takes: 'path',
    message: 'In which file?',
    about: 'with --token file: the file that has it',
    suggestion: () => '/root/cloudflare-token',
  },
  {
    id: 'tokenEnv',
    flag: 'token-env',
    takes: 'name',
    message: 'In which variable?',
    about: 'with --token env: the variable that has it',
    suggestion: () => 'CLOUDFLARE_DNS_API_TOKEN',
    assumes: true,
  },
];
