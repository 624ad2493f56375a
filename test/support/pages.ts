/** Commands that README and docs name, as they stand there, and those that no test can run. */
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";

export interface PageCommand {
    readonly page: string;
    /** Without comment; lines that belong together are one command. */
    readonly text: string;
    /** Number of the page's block for the shell, from 0; undefined for a command in a sentence. */
    readonly block: number | undefined;
}

/** All pages that name commands, in the order in which a reader meets them. */
export const PAGES = [
    "README.md",
    ...globSync("docs/*.md", { cwd: ROOT }).toSorted(),
    ...["SECURITY.md", "CONTRIBUTING.md"],
    ...globSync(["examples/**/*.md", "dev/**/*.md"], { cwd: ROOT }).toSorted(),
];

/** Programs by which a command in a sentence is recognised. */
const PROGRAMS = /^(?:npm|npx|pulumi|fly|node|tail|umask|jq|docker|git|RUNS=\d+ npm) +\S/;

export function commandsIn(page: string, text = textOf(page)): PageCommand[] {
    const found: PageCommand[] = [];
    let block = 0;
    // A block, or code in a sentence, which may be broken across two lines.
    for (const [, shell, inline] of text.matchAll(
        /^ *```(?:sh|bash|console)\n(.*?)^ *```|^ *```.*?^ *```|`([^`]+)`/gms,
    )) {
        if (shell !== undefined) {
            found.push(...commandsOf(shell).map((one) => ({ page, text: one, block })));
            block++;
        } else if (inline !== undefined && PROGRAMS.test(inline)) {
            found.push({ page, text: inline.replace(/\s+/g, " "), block: undefined });
        }
    }
    return found;
}

function textOf(page: string): string {
    return readFileSync(path.join(ROOT, page), "utf8");
}

/** Splits a block into commands: one goes on while a quote is open, or after a backslash. */
function commandsOf(block: string): string[] {
    const commands: string[] = [];
    let open = "";
    for (const line of block.split("\n")) {
        const text = open + line.replace(/ +# .*$/, "");
        const isOpen = text.endsWith("\\") || (text.match(/'/g) ?? []).length % 2 === 1;
        open = isOpen ? `${text}\n` : "";
        if (!isOpen && text.trim() !== "") commands.push(text.trim());
    }
    return commands;
}

/** Why commands are not run by the specs that walk through the pages. */
export const NOT_RUN: readonly { readonly commands: RegExp; readonly why: string }[] = [
    {
        commands: /^(?:RUNS=\d+ )?npm (?:test|run test:\w+|run bench)(?: -- .*)?$/,
        why: "runs tests or benchmarks, for minutes or hours; test/repo/docs.spec.ts checks the names",
    },
    {
        commands: /^npm install/,
        why: "the tests lend their packages; `npm run local` installs the same ones",
    },
    { commands: /^fly tokens create (?:org|readonly)$/, why: "needs an account at Fly" },
    { commands: /^fly (?:secrets (?:deploy|list)|logs)$/, why: "named, not for the reader to run" },
    {
        commands: /^fly machine clone$/,
        why: "makes a second broker, which the page only warns of",
    },
    {
        commands:
            /^npm run pulumi$|^pulumi state taint$|^pulumi convert$|^docker (?:stop|start|context use)$/,
        why: "named without its arguments, not for the reader to run",
    },
    {
        commands: /^go (?:build|vet)/,
        why: "builds the toolchain, as `npm run local` does where it has to; npm test runs vet and test",
    },
    {
        commands: /^cp -r examples\//,
        why: "test/e2e/examples.spec.ts deploys the examples from the package",
    },
];

export function reasonNotToRun({ text }: PageCommand): string | undefined {
    return NOT_RUN.find(({ commands }) => commands.test(text))?.why;
}
