/** Creates a machine, imports one, or adopts that of an earlier run. */
import { FlyError, isAmbiguous } from "../api/errors.ts";
import { MachineApi } from "../api/machineApi.ts";
import type { MachineConfig, WireMachine, WireVolume } from "../api/types.ts";
import { poll, Progress } from "../api/wait.ts";
import { configOf, describeMachine, isReachable } from "../describe.ts";
import { otherBrokers } from "../others.ts";
import { describeOwner, IMPORTED_BEFORE, importCommand, isOwnedBy } from "../ownership.ts";
import type { MachineChange } from "./change.ts";
import { LAUNCH_DEADLINE_MS, minSecretsVersion } from "./config.ts";

export interface Known {
    readonly machine: WireMachine;
    /** Whether this run created it, and so with the wanted config. */
    readonly launched: boolean;
}

/** Finds the machine to import, or a leftover with the same name and owner; else creates one. */
export async function ensureMachine(change: MachineChange): Promise<Known> {
    return change.importId === undefined
        ? await findOrLaunch(change)
        : { machine: await importable(change, change.importId), launched: false };
}

/** @throws Error where the machine with this name belongs to someone else */
async function findOrLaunch(change: MachineChange): Promise<Known> {
    const progress = new Progress(`machine "${change.name}"`);
    let failure: unknown;
    const known = await poll<Known>(
        change.deadline,
        async () => {
            const machines = await change.client.get<WireMachine[]>([
                "apps",
                change.app,
                "machines",
            ]);
            const found = machines.find(
                ({ name, state }) => name === change.name && state !== "destroyed",
            );
            if (found?.state === "destroying" && isReachable(found)) {
                failure = new Error(`Machine ${found.id} is still being destroyed.`);
                progress.say("waiting until its predecessor is destroyed");
                return undefined;
            }
            if (found && found.state !== "destroying") {
                refuseForeign(change, found);
                return { machine: found, launched: false };
            }
            await refuseSecondBroker(change, machines);
            try {
                return { machine: await launch(change), launched: true };
            } catch (error) {
                if (!isAmbiguous(error) && !isTransient(error)) {
                    throw error;
                }
                failure = error;
                progress.say(`retrying (${error.text})`);
                return undefined;
            }
        },
        [1000, 2000, 3000, 5000],
    );
    if (!known) {
        throw failure;
    }
    return known;
}

/** Refuses to create a machine beside another broker, such as one that someone made after ours lost its host. */
async function refuseSecondBroker(
    { client, app, config, owner, name }: MachineChange,
    machines: readonly WireMachine[],
): Promise<void> {
    const others = otherBrokers(machines, undefined, config).filter(isReachable);
    const [first] = others;
    if (!first) {
        return;
    }
    const volumes = await client.get<WireVolume[]>(["apps", app, "volumes"]);
    const [volume] = configOf(first).mounts ?? [];
    const setting = (key: "machine" | "volume", id: string) => importCommand(owner, key, id);
    throw new Error(
        `App "${app}" already has a broker on the same ports: ` +
            `${others.map((other) => describeMachine(other, volumes)).join("; ")}.\n` +
            `  A second machine "${name}" would receive part of its clients. Continue with ${first.id}: ` +
            `\`${setting("machine", first.id)}\`${volume ? `, \`${setting("volume", volume.volume)}\`` : ""}, ` +
            `and \`machineName\` "${first.name ?? ""}"; or, if nobody needs it, remove it: ` +
            `\`fly machine destroy ${first.id} -a ${app} --force\``,
    );
}

/** @throws Error where the machine belongs to someone else, or is in another region */
function refuseForeign(change: MachineChange, found: WireMachine): void {
    if (!isOwnedBy(change.owner, found.config)) {
        throw new Error(
            `App "${change.app}" already has a machine "${change.name}" (${found.id}), ` +
                `which belongs to ${describeOwner(found.config)}.\n` +
                `  Choose another app name; or import the machine: \`${importCommand(change.owner, "machine", found.id)}\`; ` +
                "or, if nobody needs it, remove it: " +
                `\`fly machine destroy ${found.id} -a ${change.app} --force\``,
        );
    }
    if (found.region !== undefined && found.region !== change.region) {
        throw new Error(
            `Machine ${found.id} "${change.name}" is in region ${found.region}, not ${change.region}, ` +
                "and cannot be moved.\n" +
                `  Remove it: \`fly machine destroy ${found.id} -a ${change.app} --force\``,
        );
    }
}

async function launch(change: MachineChange): Promise<WireMachine> {
    const { client, app, name, region, config } = change;
    return await client.post<WireMachine>(["apps", app, "machines"], {
        deadlineMs: LAUNCH_DEADLINE_MS,
        body: { name, region, config, ...minSecretsVersion(change) },
    });
}

/** Refusals that pass by themselves, by their status. */
const TRANSIENT: Readonly<Record<number, RegExp>> = {
    // The next look finds the name's machine; or a host was full for a moment.
    409: /already exists|^aborted:/i,
    // A volume stays claimed for up to three minutes after its machine is gone.
    412: /already claimed|currently bound/i,
    422: /unique machine name/i,
};

function isTransient(error: unknown): error is FlyError {
    return error instanceof FlyError && (TRANSIENT[error.status]?.test(error.text) ?? false);
}

/** @throws Error where the machine does not exist, or cannot be updated to its inputs */
async function importable(change: MachineChange, id: string): Promise<WireMachine> {
    const found = await new MachineApi(change, id).find();
    if (!found) {
        throw new Error(
            `Cannot import machine ${id}: it is not in app "${change.app}".\n` + IMPORTED_BEFORE,
        );
    }
    if (!found.config) {
        throw new Error(`Machine ${id} cannot be imported now: Fly cannot reach its host.`);
    }
    const volumes = (config: MachineConfig | null | undefined) =>
        (config?.mounts ?? []).map(({ volume }) => volume).join(", ") || "no volume";
    const [has, wants] = [volumes(found.config), volumes(change.config)];
    const problems = [
        found.name !== change.name && `its name is "${found.name}", not "${change.name}"`,
        found.region !== change.region && `it is in region ${found.region}, not ${change.region}`,
        has !== wants && `it has ${has}, not ${wants}`,
    ].filter((problem) => problem !== false);
    if (problems.length > 0) {
        throw new Error(
            `Machine ${id} cannot be imported as it is declared: ${problems.join("; ")}.\n` +
                "  Declare it as it is, and import its volume too; or destroy it to have one created: " +
                `\`fly machine destroy ${id} -a ${change.app} --force\`\n${IMPORTED_BEFORE}`,
        );
    }
    return found;
}
