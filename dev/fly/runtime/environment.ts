import type { MachineConfig, Process } from "../model/config.ts";
import { DEFAULT_GUEST } from "../model/config.ts";
import { own } from "../model/own.ts";
import type { MachineRecord } from "../model/records.ts";

/** Formats an image reference in full: `registry/repository[:tag][@digest]`. */
export function fullImageRef(machine: MachineRecord): string {
    const { registry, repository, tag, digest } = machine.image;
    const name = `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}`;
    return digest === undefined ? name : `${name}@${digest}`;
}

function processSecrets(
    process: Process | undefined,
    secrets: Record<string, string>,
): Record<string, string> {
    if (process === undefined) return secrets;
    const chosen: Record<string, string> = process.ignore_app_secrets ? {} : { ...secrets };
    for (const one of process.secrets ?? []) {
        const value = own(secrets, one.name ?? one.env_var);
        if (value !== undefined) chosen[one.env_var] = value;
    }
    return chosen;
}

/**
 * Builds a machine's environment. The app's secrets override variables of the config, as on Fly; the
 * platform's own variables override both.
 */
export function environment(
    machine: MachineRecord,
    secrets: Record<string, string>,
): Record<string, string> {
    const config: MachineConfig = machine.config;
    const process = config.processes?.[0];
    const group = config.metadata?.fly_process_group;
    return {
        PRIMARY_REGION: machine.region,
        ...config.env,
        ...process?.env,
        ...processSecrets(process, secrets),
        FLY_APP_NAME: machine.app,
        FLY_MACHINE_ID: machine.id,
        FLY_ALLOC_ID: machine.id,
        FLY_REGION: machine.region,
        FLY_IMAGE_REF: fullImageRef(machine),
        FLY_MACHINE_VERSION: machine.instanceId,
        FLY_PRIVATE_IP: machine.privateIp,
        FLY_VM_MEMORY_MB: String(config.guest?.memory_mb ?? DEFAULT_GUEST.memory_mb),
        ...(group === undefined ? {} : { FLY_PROCESS_GROUP: group }),
    };
}
