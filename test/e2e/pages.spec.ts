/**
 * README and docs on a stack of one's own, with Pulumi itself: every command that the pages have the reader type is
 * taken from there, in their order. Excepted are those of test/support/pages.ts, and those that other specs take
 * from the pages: README's on this machine, and docs/host-gone.md's.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse, stringify } from "yaml";
import type { BrokerOutputs } from "../../config/outputs.ts";
import { startLocalFly, type LocalFly } from "../../dev/fly/index.ts";
import { pulumiEnvironment } from "../../dev/toolchain/environment.ts";
import { PULUMI_HOME } from "../../lib/paths.ts";
import { commandsIn, PAGES, reasonNotToRun, type PageCommand } from "../support/pages.ts";
import { Project } from "../../dev/harness/project.ts";
import { Reader, type Values } from "../support/reader.ts";

const STACK = "prod-lhr";
const ELSEWHERE = ["docs/host-gone.md", "dev/fly/README.md"];

/** Commands that remove what the others use. */
const LAST = [/^pulumi stack rename/, /^pulumi destroy$/];

const PASSWORD = "printf %s 'chalk-otter-7-violin-harbour' |";

/** The resource that can be replaced without anybody noticing. */
const VERIFICATION =
    "$(pulumi stack export | jq -r '.deployment.resources[].urn | select(contains(\":Command::\"))')";

const seen = new Set<string>();
const commands = PAGES.filter((page) => !ELSEWHERE.includes(page))
    .flatMap((page) => commandsIn(page))
    .filter(({ text }) => !/^npm run (?:local|pulumi)\b/.test(text))
    .filter((one) => reasonNotToRun(one) === undefined)
    .filter(({ text }) => !seen.has(text) && seen.add(text));
const placeOf = ({ text, block }: PageCommand) =>
    // The stack is there once README's block has made it.
    (block !== undefined && text.startsWith("export ") ? -2 : 0) ||
    (text === `pulumi stack init ${STACK}` ? -1 : LAST.findIndex((one) => one.test(text)) + 1);
const inOrder = commands.toSorted((one, other) => placeOf(one) - placeOf(other));

describe("the pages' commands", function () {
    this.timeout(180_000);
    this.bail(true);
    let project: Project;
    let fly: LocalFly;
    let reader: Reader;
    let home: string;
    let outputs: BrokerOutputs | undefined;
    let file: string;

    before(async () => {
        project = await Project.make();
        fly = await startLocalFly();
        home = mkdtempSync(path.join(tmpdir(), "pulumi-home-"));
        for (const name of readdirSync(PULUMI_HOME).filter((one) => one === "plugins")) {
            symlinkSync(path.join(PULUMI_HOME, name), path.join(home, name));
        }
        file = path.join(home, "data.backup");
        const backend = path.join(home, "state");
        mkdirSync(backend);
        reader = new Reader(project, {
            ...pulumiEnvironment(backend),
            PULUMI_HOME: home,
            PULUMI_CONFIG_PASSPHRASE: "of the reader",
            FLY_API_TOKEN: fly.token,
            FLY_TEST_ENDPOINT: fly.endpoint,
        });
        project.edit(`Pulumi.${STACK}.yaml`, (text) => {
            const { config } = parse(text) as { config: Record<string, unknown> };
            const users = config["appkata-mqtt:users"] as object[];
            return stringify({
                config: {
                    ...config,
                    "appkata-mqtt:endpoint": fly.endpoint,
                    "appkata-mqtt:registry": fly.registry,
                    "appkata-mqtt:baseImage": "eclipse-mosquitto:2.1.2-alpine",
                    "appkata-mqtt:users": [...users, { name: "pump", write: ["pumps/#"] }],
                    "appkata-mqtt:devices": ["pump"],
                    "appkata-mqtt:clientCertificates": "optional",
                },
            });
        });
    });
    after(async () => {
        await fly.close();
        await project.remove();
        rmSync(home, { recursive: true });
    });

    /** Command lines to run before a command of the pages, or a pipe that answers its questions. */
    const BEFORE: Record<string, () => string> = {
        "fly machine exec MACHINE 'rm /mosquitto/data/FILE'": () =>
            `fly machine exec ${outputs!.machineId} 'touch /mosquitto/data/left'`,
        "npm run restore -- --file FILE": () => `npm run backup -- --file ${file}`,
        "npm run backup -- [--stack NAME] [--file FILE]": () => `rm ${file}`,
        "tail -n +2 FILE | gunzip": () => "set -o pipefail",
        "pulumi config set --secret fly:token": () => `printf %s ${fly.token} |`,
        "pulumi config set --secret --path passwords.NAME": () => PASSWORD,
        "pulumi config set --secret --path passwords.sensors": () => PASSWORD,
        "pulumi config set --path 'appkata-mqtt:import.app' NAME": () =>
            `pulumi config set appName ${outputs!.appName}`,
        "pulumi destroy": () => "pulumi config set protectVolume false; pulumi up",
    };

    function values({ text }: PageCommand): Values {
        const { appName = "", machineId = "", volumeId = "" } = outputs ?? {};
        const exact: Values = {
            "fly volumes snapshots create": `fly volumes snapshots create ${volumeId}`,
            "npm run restore -- --file FILE": `npm run restore -- --file ${file} --yes`,
            "pulumi stack import": "pulumi stack export | pulumi stack import",
            "pulumi stack rename": "pulumi stack rename renamed",
        };
        if (exact[text] !== undefined) return { [text]: exact[text] };
        return {
            "=…": `=${fly.token}`,
            "[--stack NAME] [--file FILE]": `--stack ${STACK} --file ${file}`,
            "[--stack NAME] [--yes]": `--stack ${STACK} --yes`,
            "file://…": `file://${home}`,
            "/data/FILE": "/data/left",
            "--stack NAME": `--stack ${STACK}`,
            "passwords.NAME": "passwords.dashboard",
            "import.app' NAME": `import.app' ${appName}`,
            "KEY VALUE": "expiryWarningDays 31",
            MACHINE: machineId,
            "broker-forget ID": "broker-forget nobody",
            FILE: file,
            URN: VERIFICATION,
        };
    }

    for (const command of inOrder) {
        it(`${command.page}: ${command.text}`, async () => {
            await reader.type(command, values(command), BEFORE[command.text]?.());
            if (command.text !== "pulumi up") return;
            const show = { ...command, text: "pulumi stack output --json --show-secrets" };
            outputs = JSON.parse((await reader.type(show)).stdout) as BrokerOutputs;
            reader.export("FLY_TEST_APP", outputs.appName);
        });
    }
});
