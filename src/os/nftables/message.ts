/** Types of nf_tables' messages: its subsystem and the command. Of what family of tables they speak, and of what kind of objects. */
const SUBSYSTEM = 10 << 8;

export const NF_TABLES = {
  NEWTABLE: SUBSYSTEM | 0,
  GETTABLE: SUBSYSTEM | 1,
  DELTABLE: SUBSYSTEM | 2,
  NEWCHAIN: SUBSYSTEM | 3,
  GETCHAIN: SUBSYSTEM | 4,
  DELCHAIN: SUBSYSTEM | 5,
  NEWRULE: SUBSYSTEM | 6,
  GETRULE: SUBSYSTEM | 7,
  DELRULE: SUBSYSTEM | 8,
  NEWSET: SUBSYSTEM | 9,
  GETSET: SUBSYSTEM | 10,
  DELSET: SUBSYSTEM | 11,
  NEWSETELEM: SUBSYSTEM | 12,
  GETSETELEM: SUBSYSTEM | 13,
  DELSETELEM: SUBSYSTEM | 14,
  NEWOBJ: SUBSYSTEM | 18,
  GETOBJ: SUBSYSTEM | 19,
  DELOBJ: SUBSYSTEM | 20,
} as const;

export const FAMILY = { inet: 1, ip: 2, ip6: 10 } as const;

/** Of objects that have a name, the only kind that we make. */
export const COUNTER = 1;

export type Family = keyof typeof FAMILY;
