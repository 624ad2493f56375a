/**
 * Resources that the Pulumi program declares: Fly's, over the Machines REST API, and values that are
 * generated once and kept in the state.
 */
export { App, Certificate, IpAddress, Machine, Secrets, Volume } from "./fly/resources.ts";
export type {
    AppArgs,
    CertificateArgs,
    IpAddressArgs,
    MachineArgs,
    SecretsArgs,
    VolumeArgs,
} from "./fly/resources.ts";
export type { MachineConfig, MachineGuest, MachineService } from "./fly/api/types.ts";
export { FormerDevices, Name, Passwords, RevocationList } from "./kept/resources.ts";
export type {
    FormerDevicesArgs,
    NameArgs,
    PasswordsArgs,
    RevocationListArgs,
} from "./kept/resources.ts";
