/** Creates a machine, imports one, or adopts that of an earlier run. */
import type { FlyClient } from "../api/client.ts";
import { FlyError, isAmbiguous } from "../api/errors.ts";
import {
    effectiveConfig,
    LAUNCH_DEADLINE_MS,
    minSecretsVersion,
    type MachineTarget,
} from "./config.ts";
import { convergeMachine } from "./converge.ts";
import { waitForHealthyWithLog } from "../api/logs.ts";
import { getMachine } from "./power.ts";
import { describeOwner, IMPORTED_BEFORE, importCommand, isOwnedBy } from "../ownership.ts";
import { configOf, describeMachine, isReachable } from "../describe.ts";
import { otherBrokers } from "../others.ts";
import type { MachineConfig, WireMachine, WireVolume } from "../api/types.ts";
import { poll, Progress, type Deadline } from "../api/wait.ts";

/**
 * Creates a machine, or updates a leftover with the same name and owner. Refuses someone else's machine.
 * @param onKnown called as soon as a machine exists that belongs in the state
 */
export async function createMachine(
    client: FlyClient,
    inputs: MachineTarget,
    deadline: Deadline,
    onKnown: (machine: WireMachine) => void,
): Promise<WireMachine> {
    const config = effectiveConfig(inputs);
    const known =
        inputs.importId === undefined
            ? await findOrLaunch(client, inputs, deadline)
            : { machine: await importable(client, inputs, inputs.importId), launched: false };
    onKnown(known.machine);
    if (!known.launched) {
        return await convergeMachine(client, inputs, known.machine, deadline);
    }
    const { id, instance_id: instanceId } = known.machine;
    const ref = { app: inputs.app, id, instanceId, fresh: true };
    return await waitForHealthyWithLog(client, inputs, ref, config, deadline);
}

/** @throws Error where the machine does not exist, or cannot be updated to its inputs */
async function importable(
    client: FlyClient,
    inputs: MachineTarget,
    id: string,
): Promise<WireMachine> {
    const found = await getMachine(client, inputs.app, id);
    if (!found) {
        throw new Error(
            `Cannot import machine ${id}: it is not in app "${inputs.app}".\n` + IMPORTED_BEFORE,
        );
    }
    if (!found.config) {
        throw new Error(`Machine ${id} cannot be imported now: Fly cannot reach its host.`);
    }
    const volumes = (config: MachineConfig | null | undefined) =>
        (config?.mounts ?? []).map(({ volume }) => volume).join(", ") || "no volume";
    const [has, wants] = [volumes(found.config), volumes(inputs.config)];
    const problems = [
        found.name !== inputs.name && `its name is "${found.name}", not "${inputs.name}"`,
        found.region !== inputs.region && `it is in region ${found.region}, not ${inputs.region}`,
        has !== wants && `it has ${has}, not ${wants}`,
    ].filter((problem) => problem !== false);
    if (problems.length > 0) {
        throw new Error(
            `Machine ${id} cannot be imported as it is declared: ${problems.join("; ")}.\n` +
                "  Declare it as it is, and import its volume too; or destroy it to have one created: " +
                `\`fly machine destroy ${id} -a ${inputs.app} --force\`\n${IMPORTED_BEFORE}`,
        );
    }
    return found;
}

interface Known {
    readonly machine: WireMachine;
    /** Whether this run created it, and so with the wanted config. */
    readonly launched: boolean;
}

async function findOrLaunch(
    client: FlyClient,
    inputs: MachineTarget,
    deadline: Deadline,
): Promise<Known> {
    const progress = new Progress(`machine "${inputs.name}"`);
    let failure: unknown;
    const known = await poll<Known>(deadline, async () => {
        const machines = await client.get<WireMachine[]>(["apps", inputs.app, "machines"]);
        const found = machines.find(
            ({ name, state }) => name === inputs.name && state !== "destroyed",
        );
        if (found?.state === "destroying" && isReachable(found)) {
            failure = new Error(`Machine ${found.id} is still being destroyed.`);
            progress.say("waiting until its predecessor is destroyed");
            return undefined;
        }
        if (found && found.state !== "destroying") {
            refuseForeign(inputs, found);
            return { machine: found, launched: false };
        }
        await refuseSecondBroker(client, inputs, machines);
        try {
            return { machine: await launch(client, inputs), launched: true };
        } catch (error) {
            if (!isAmbiguous(error) && !isTransient(error)) {
                throw error;
            }
            failure = error;
            progress.say(`retrying (${error.text})`);
            return undefined;
        }
    }, [1000, 2000, 3000, 5000]);
    if (!known) {
        throw failure;
    }
    return known;
}

/** Refuses to create a machine beside another broker, such as one that someone made after ours lost its host. */
async function refuseSecondBroker(
    client: FlyClient,
    { app, config, owner, name }: MachineTarget,
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
function refuseForeign(inputs: MachineTarget, found: WireMachine): void {
    if (!isOwnedBy(inputs.owner, found.config)) {
        throw new Error(
            `App "${inputs.app}" already has a machine "${inputs.name}" (${found.id}), ` +
                `which belongs to ${describeOwner(found.config)}.\n` +
                `  Choose another app name; or import the machine: \`${importCommand(inputs.owner, "machine", found.id)}\`; ` +
                "or, if nobody needs it, remove it: " +
                `\`fly machine destroy ${found.id} -a ${inputs.app} --force\``,
        );
    }
    if (found.region !== undefined && found.region !== inputs.region) {
        throw new Error(
            `Machine ${found.id} "${inputs.name}" is in region ${found.region}, not ${inputs.region}, ` +
                "and cannot be moved.\n" +
                `  Remove it: \`fly machine destroy ${found.id} -a ${inputs.app} --force\``,
        );
    }
}

async function launch(client: FlyClient, inputs: MachineTarget): Promise<WireMachine> {
    return await client.post<WireMachine>(["apps", inputs.app, "machines"], {
        deadlineMs: LAUNCH_DEADLINE_MS,
        body: {
            name: inputs.name,
            region: inputs.region,
            config: effectiveConfig(inputs),
            ...minSecretsVersion(inputs),
        },
    });
}

/**
 * Tells whether a refusal passes by itself: the next look finds the name's machine; a volume stays claimed
 * for up to three minutes after its machine is gone; a host was full for a moment.
 */
function isTransient(error: unknown): error is FlyError {
    if (!(error instanceof FlyError)) {
        return false;
    }
    switch (error.status) {
        case 409:
            return /already exists|^aborted:/i.test(error.text);
        case 412:
            return /already claimed|currently bound/i.test(error.text);
        case 422:
            return /unique machine name/i.test(error.text);
        default:
            return false;
    }
}
