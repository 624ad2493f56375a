/** dev/fly/README.md's commands, taken from there, on a local Fly with a folder and ports of its own. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { freePorts } from "../../dev/harness/freePorts.ts";
import { commandsIn, type PageCommand } from "../support/pages.ts";
import { Project } from "../../dev/harness/project.ts";
import { Reader, type Values } from "../support/reader.ts";

const PAGE = commandsIn("dev/fly/README.md");
const [DAEMON, BY_HAND] = [0, 1].map((block) => PAGE.filter((one) => one.block === block)) as [
    PageCommand[],
    PageCommand[],
];
const [start, , , reset] = DAEMON as [PageCommand, PageCommand, PageCommand, PageCommand];
/** Each later command needs what the first two define in the reader's shell. */
const [token, curl, ...requests] = BY_HAND as [PageCommand, PageCommand, ...PageCommand[]];

describe("dev/fly/README's commands", function () {
    this.timeout(120_000);
    this.bail(true);
    let project: Project;
    let reader: Reader;
    let values: Values;
    let machine = "";

    before(async () => {
        project = await Project.make();
        const [port, registryPort] = await freePorts(2);
        const at = (name: string) => path.join(project.dir, ".local", name);
        values = {
            "main.ts start": `main.ts start --dir ${at("own")} --port ${port} --registry-port ${registryPort}`,
            ...Object.fromEntries(
                ["status", "stop", "reset"].map((one) => [
                    `main.ts ${one}`,
                    `main.ts ${one} --dir ${at("own")}`,
                ]),
            ),
            "127.0.0.1:4280": `127.0.0.1:${port}`,
            "127.0.0.1:4281": `127.0.0.1:${registryPort}`,
        };
        reader = new Reader(project, { DOCKER_CONFIG: at("docker") });
        writeFileSync(
            path.join(project.dir, "Dockerfile"),
            "FROM eclipse-mosquitto:2.1.2-alpine\n",
        );
        writeFileSync(path.join(project.dir, ".dockerignore"), "*\n");
    });
    after(async () => {
        await reader.type(reset, values);
        await project.remove();
    });

    for (const command of DAEMON) {
        it(command.text, async () => {
            await reader.type(command, values);
        });
    }

    for (const command of requests) {
        it(command.text, async () => {
            if (command === requests[0]) await reader.type(start, values);
            const all = {
                ...command,
                text: [token, curl, command].map(({ text }) => text).join("\n"),
            };
            const { stdout } = await reader.type(all, { ...values, MACHINE: machine });
            machine = /"id":"([0-9a-f]{14})"/.exec(stdout)?.[1] ?? machine;
            if (/"error":/.test(stdout)) throw new Error(stdout);
        });
    }

    it("are no others", () => reader.assertTyped(PAGE.filter(({ block }) => block !== 1)));
});
