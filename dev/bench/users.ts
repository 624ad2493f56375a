/**
 * Measures what many users cost, compared with one: `npm run bench -- users`. `USERS=1000,5000` sets
 * other numbers. Then restarts the broker with as many revoked devices as users.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pack, unpack, type Packed } from "../../providers/packed.ts";
import type { RevocationRecord } from "../../providers/kept/revocationList.ts";
import { Project, usersNamed } from "../harness/project.ts";
import { alternate, ratio, row } from "./support/measure.ts";

const RUNS = Number(process.env.RUNS ?? 5);
const COUNTS = (process.env.USERS ?? "1000,5000").split(",").map(Number);
/**
 * Most seconds beyond the first `up` with one user, and largest ratio to an unchanged `up` with one
 * user.
 */
const BOUNDS = { firstUp: 60, unchanged: 1.3 };

const IN_SETTINGS = 2000;

const projects: Project[] = [];
try {
    const one = await deploy(1);
    for (const count of COUNTS) {
        const many = await deploy(count);
        console.log(`${count} users`);
        const more = many.seconds - one.seconds;
        console.log(
            `first up: ${many.seconds.toFixed(1)} s, with one user ${one.seconds.toFixed(1)} s, ` +
                `${more.toFixed(1)} s more (at most ${BOUNDS.firstUp})`,
        );
        for (const command of ["preview", "up"]) {
            const args = command === "up" ? ["--yes", "--skip-preview"] : [];
            const unchanged = (project: Project) => async () => {
                const run = await project.cli([command, "--expect-no-changes", ...args]);
                if (run.code !== 0) throw new Error(run.output);
            };
            const times = await alternate(RUNS, {
                [`${command}, unchanged, 1 user`]: unchanged(one.project),
                [`${command}, unchanged, ${count} users`]: unchanged(many.project),
            });
            for (const [name, time] of Object.entries(times)) console.log(row(name, time));
            const [floor, ours] = Object.values(times);
            console.log(`${ratio(floor!, ours!)} (at most ${BOUNDS.unchanged})`);
        }
        await revoke(many.project, count);
    }
} finally {
    for (const project of projects) await project.remove();
}

async function deploy(count: number): Promise<{ project: Project; seconds: number }> {
    const project = await Project.make();
    configure(project, count);
    projects.push(project);
    const begun = performance.now();
    await project.deploy();
    return { project, seconds: (performance.now() - begun) / 1000 };
}

/** Sets users in the settings, or in a file if they are too many for Pulumi to pass as settings. */
function configure(project: Project, count: number, devices: string[] = []): void {
    const names = Array.from({ length: count }, (_, at) => `user-${at}`);
    const users = usersNamed(...names, ...devices);
    writeFileSync(path.join(project.dir, "users.json"), JSON.stringify(users));
    project.configure({ users: count > IN_SETTINGS ? "users.json" : users });
    if (devices.length > 0) project.configure({ devices, clientCertificates: "optional" });
}

/** Revokes that many certificates and restarts the broker with all of them. */
async function revoke(project: Project, count: number): Promise<void> {
    const up = (...devices: string[]) => {
        configure(project, count, devices);
        return pulumi(project, ["up", "--yes", "--skip-preview"]);
    };
    await up("lamp", "lock");
    // Edits the state: making and revoking so many for real takes hours, with three resources each.
    const file = path.join(project.dir, "state.json");
    await pulumi(project, ["stack", "export", "--file", file]);
    const state = JSON.parse(readFileSync(file, "utf8")) as Exported;
    const list = state.deployment.resources.find(({ type }) => type.endsWith(":RevocationList"));
    const revoked = Array.from({ length: count }, (_, at) => ({
        name: `device-${at}`,
        serial: randomBytes(16).toString("hex").toUpperCase(),
        end: "2035-01-01T00:00:00.000Z",
        since: "2026-01-01T00:00:00.000Z",
    }));
    list!.outputs.revoked = pack([...unpack(list!.outputs.revoked), ...revoked]);
    writeFileSync(file, JSON.stringify(state));
    await pulumi(project, ["stack", "import", "--file", file]);
    const begun = performance.now();
    await up("lamp");
    const changed = performance.now();
    const { appName, machineId } = await project.outputs();
    const restarted = await project.fly("POST", `/apps/${appName}/machines/${machineId}/restart`);
    if (!restarted.ok) throw new Error(await restarted.text());
    const started = performance.now();
    const verified = await project.npm("verify");
    if (verified.code !== 0) throw new Error(verified.output);
    console.log(
        `up with ${count + 1} revoked certificates: ${seconds(changed - begun)}; ` +
            `restart: ${seconds(started - changed)}; verified after it: ${seconds(performance.now() - started)}`,
    );
}

interface Exported {
    deployment: {
        resources: { type: string; outputs: { revoked: Packed<RevocationRecord["revoked"]> } }[];
    };
}

async function pulumi(project: Project, args: string[]): Promise<void> {
    const run = await project.pulumi(args);
    if (run.code !== 0) throw new Error(run.output);
}

function seconds(ms: number): string {
    return `${(ms / 1000).toFixed(1)} s`;
}
