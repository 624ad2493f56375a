// core
/** README's commands on this machine, taken from there, in the order in which they stand. */
import { commandsIn, PAGES, reasonNotToRun } from "../support/pages.ts";
import { Project } from "../../dev/harness/project.ts";
import { Reader } from "../support/reader.ts";

/** Commands that make and use the local broker, of all pages; README's others too. */
const HERE = /^npm run (?:local|pulumi)\b/;
const README = /^npm run \w/;

const seen = new Set<string>();
const commands = PAGES.flatMap((page) => commandsIn(page))
    .filter((one) => (one.page === "README.md" ? README : HERE).test(one.text))
    .filter((one) => reasonNotToRun(one) === undefined)
    .filter(({ text }) => !seen.has(text) && seen.add(text))
    // It takes away what the others use.
    .toSorted((one, other) => Number(isLast(one.text)) - Number(isLast(other.text)));

function isLast(text: string): boolean {
    return text === "npm run local:down";
}

describe("README's commands on this machine", function () {
    this.timeout(180_000);
    this.bail(true);
    let project: Project;
    let reader: Reader;
    let backup = "";

    before(async () => {
        project = await Project.make();
        reader = new Reader(project, {});
    });
    after(async () => {
        await project.remove();
    });

    for (const command of commands) {
        it(`${command.page}: ${command.text}`, async () => {
            const { stdout } = await reader.type(command, {
                "--file FILE": `--file ${backup} --yes`,
                "config set …": "config set appkata-mqtt:metrics true",
            });
            backup = /^\S+\.backup$/m.exec(stdout)?.[0] ?? backup;
        });
    }
});
