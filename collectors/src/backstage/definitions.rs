//! What the entities of a catalog come to: teams, components and rules.

use std::collections::{BTreeMap, BTreeSet};

use outlay_model::ownership::{
    Component, Condition, Dated, Definition, Kind, Origin, Ownership, OwnershipProblem, Rule, Since, Team, Value,
};
use outlay_model::{Filter, TeamId};
use serde::Deserialize;

use super::documents::{At, Entity};
use super::entity_ref::EntityRef;
use super::{Note, annotations};

/// Names the person who answers for a group's cost, which Backstage has no field for.
const OWNER: &str = "outlay.dev/owner";

/// What a catalog says, as things are today.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub definitions: Vec<(String, Definition)>,
    pub notes: Vec<Note>,
    /// What it says as well, but in a way that cannot be taken: nothing is known of it, so nothing of it ends.
    pub left_out: BTreeSet<(Kind, String)>,
    at: BTreeMap<(Kind, String), At>,
}

impl Said {
    fn put(&mut self, name: &str, definition: Definition, at: &At) {
        self.at.insert((definition.kind(), name.to_owned()), at.clone());
        self.definitions.push((name.to_owned(), definition));
    }

    fn refuse(&mut self, kind: Kind, name: &str, at: &At, text: impl Into<String>) {
        self.notes.push(at.note(text));
        self.left_out.insert((kind, name.to_owned()));
    }

    /// Leaves out what the whole would not bear; whether there was any.
    pub(super) fn leave_out(&mut self, problems: &[OwnershipProblem]) -> bool {
        let mut any = false;
        for problem in problems {
            let subject = (problem.kind, problem.name.clone());
            let said = self
                .definitions
                .iter_mut()
                .position(|(name, definition)| definition.kind() == problem.kind && *name == problem.name);
            let (Some(place), Some(at)) = (said, self.at.get(&subject).cloned()) else { continue };
            any = true;
            let left_out = if problem.field == "parent" { "the parent is left out" } else { "it is left out" };
            self.notes.push(at.note(format!("{problem}; {left_out}")));
            match &mut self.definitions[place].1 {
                // A team is worth having without the one above it.
                Definition::Team(team) if problem.field == "parent" && !team.parent.is_empty() => {
                    team.parent = Dated::default();
                }
                _ => {
                    self.definitions.remove(place);
                    self.left_out.insert(subject);
                }
            }
        }
        any
    }
}

#[derive(Deserialize, Default)]
struct GroupSpec {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    profile: Profile,
    parent: Option<String>,
    children: Option<Vec<String>>,
    members: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Profile {
    display_name: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct UserSpec {
    #[serde(default)]
    profile: Profile,
    member_of: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
struct OwnedSpec {
    owner: Option<String>,
    system: Option<String>,
}

struct Group<'a> {
    entity: &'a Entity,
    spec: GroupSpec,
    parent: Option<EntityRef>,
    members: BTreeSet<EntityRef>,
}

struct User {
    /// A mail address, or else a name.
    person: String,
    groups: Vec<EntityRef>,
}

/// Everything by its reference.
#[derive(Default)]
struct Index<'a> {
    groups: BTreeMap<EntityRef, Group<'a>>,
    users: BTreeMap<EntityRef, User>,
    systems: BTreeMap<EntityRef, (&'a Entity, OwnedSpec)>,
    components: BTreeMap<EntityRef, (&'a Entity, OwnedSpec)>,
}

/// What a catalog says, held against what others have said: their teams can own its components.
pub(super) fn said(entities: &[Entity], known: &Ownership) -> Said {
    let mut said = Said::default();
    let mut index = index(entities, &mut said);
    relate(&mut index);
    let elsewhere = |kind: Kind, name: &str| known.origin(kind, name).filter(|origin| *origin != Origin::Backstage);
    let mut teams: BTreeMap<EntityRef, TeamId> = BTreeMap::new();
    for (id, group) in &index.groups {
        let Group { entity, spec, .. } = group;
        if elsewhere(Kind::Team, &entity.name).is_some() {
            let text = format!("{id} is a team that is said elsewhere, and is left to that");
            said.notes.push(entity.at.note(text));
            teams.insert(id.clone(), TeamId::new(entity.name.as_str()));
            continue;
        }
        let Some(owner) = owner(group, &index) else {
            let text = format!(
                "{id} has nobody who answers for its cost: add the annotation {OWNER} to it, with a person's name, mail \
                 address or user reference (a group's own spec.profile.email will do, too); it is left out"
            );
            said.refuse(Kind::Team, &entity.name, &entity.at, text);
            continue;
        };
        teams.insert(id.clone(), TeamId::new(entity.name.as_str()));
        let people = u32::try_from(group.members.len()).ok().filter(|people| *people > 0);
        let team = Team {
            title: entity.title.clone().or_else(|| spec.profile.display_name.clone()),
            owner: Dated::always(owner),
            kind: spec.kind.clone(),
            people: people.map(Dated::always).unwrap_or_default(),
            // Parents come when all teams are known.
            parent: Dated::default(),
            channels: spec.profile.email.clone().into_iter().collect(),
            currency: None,
        };
        said.put(&entity.name, Definition::Team(team), &entity.at);
    }
    for (name, definition) in &mut said.definitions {
        let Definition::Team(team) = definition else { continue };
        let group = index.groups.values().find(|group| group.entity.name == *name);
        let Some((group, parent)) = group.and_then(|group| Some((group, group.parent.as_ref()?))) else { continue };
        match find(&teams, parent, known) {
            Some(parent) => team.parent = Dated::always(parent),
            None => {
                said.notes.push(group.entity.at.note(format!("its parent {parent} is not in the catalog, or left out")))
            }
        }
    }
    for (id, (entity, spec)) in &index.components {
        if elsewhere(Kind::Component, &entity.name).is_some() {
            let text = format!("{id} is a component that is said elsewhere, and is left to that");
            said.notes.push(entity.at.note(text));
            continue;
        }
        let rule = format!("backstage:{}", entity.name);
        let (team, system) = match owned(id, spec, &index, &teams, known) {
            Ok(found) => found,
            Err(text) => {
                said.left_out.insert((Kind::Rule, rule));
                said.refuse(Kind::Component, &entity.name, &entity.at, format!("{id} {text}; it is left out"));
                continue;
            }
        };
        let links =
            entity.links.iter().map(|link| (link.title.clone().unwrap_or_else(|| link.url.clone()), link.url.clone()));
        let component = Component {
            title: entity.title.clone(),
            team: Dated::always(team.clone()),
            environment: None,
            system,
            links: links.collect(),
        };
        said.put(&entity.name, Definition::Component(component), &entity.at);
        let when = annotations::condition(&entity.annotations).and_then(|filter| {
            let parse = |filter: Filter| Condition::parse(&filter.to_string()).map_err(|error| error.to_string());
            filter.map(parse).transpose()
        });
        match when {
            Ok(None) => {}
            Ok(Some(when)) => {
                let fixed = |name: &str| Some(Value::Fixed(name.to_owned()));
                let definition = Definition::Rule(Rule {
                    from: Since::Ever,
                    to: None,
                    when,
                    team: fixed(team.as_str()),
                    pool: None,
                    component: fixed(&entity.name),
                    environment: None,
                    correction: false,
                    about: Some(format!("What InfraWallet's annotations of {id} say")),
                });
                said.put(&rule, definition, &entity.at);
            }
            Err(text) => {
                said.refuse(Kind::Rule, &rule, &entity.at, format!("{id}: {text}; its charges are not looked for"))
            }
        }
    }
    said
}

fn index<'a>(entities: &'a [Entity], said: &mut Said) -> Index<'a> {
    let mut index = Index::default();
    let mut seen: BTreeMap<&EntityRef, &At> = BTreeMap::new();
    for entity in entities {
        let (id, at) = (&entity.id, &entity.at);
        if let Some(first) = seen.get(id) {
            let text = format!("{id} stands in {}:{} already; this one is left out", first.file, first.line);
            said.notes.push(at.note(text));
            continue;
        }
        seen.insert(id, at);
        let added = match id.kind.as_str() {
            _ if entity.fault.is_some() => Err(entity.fault.clone().unwrap_or_default()),
            "group" => entity.spec().map(|spec| {
                let group = Group { entity, spec, parent: None, members: BTreeSet::new() };
                drop(index.groups.insert(id.clone(), group));
            }),
            "user" => entity.spec().map(|spec: UserSpec| {
                let Profile { email, display_name } = spec.profile;
                let person = email.or(display_name).or_else(|| entity.title.clone());
                let groups = spec.member_of.unwrap_or_default();
                let user = User {
                    person: person.unwrap_or_else(|| entity.name.clone()),
                    groups: groups.iter().filter_map(|group| EntityRef::parse(group, "group", &id.namespace)).collect(),
                };
                drop(index.users.insert(id.clone(), user));
            }),
            "system" => entity.spec().map(|spec| drop(index.systems.insert(id.clone(), (entity, spec)))),
            "component" => entity.spec().map(|spec| drop(index.components.insert(id.clone(), (entity, spec)))),
            _ => Ok(()),
        };
        if let Err(text) = added {
            match id.kind.as_str() {
                "group" => said.refuse(Kind::Team, &entity.name, at, text),
                "component" => {
                    said.left_out.insert((Kind::Rule, format!("backstage:{}", entity.name)));
                    said.refuse(Kind::Component, &entity.name, at, text);
                }
                _ => said.notes.push(at.note(text)),
            }
        }
    }
    index
}

/// Who is whose parent and member: either side may say it.
fn relate(index: &mut Index<'_>) {
    let mut parents: BTreeMap<EntityRef, EntityRef> = BTreeMap::new();
    let mut members: Vec<(EntityRef, EntityRef)> = Vec::new();
    for (id, group) in &index.groups {
        for child in group.spec.children.iter().flatten() {
            if let Some(child) = EntityRef::parse(child, "group", &id.namespace) {
                parents.entry(child).or_insert_with(|| id.clone());
            }
        }
        let users = group.spec.members.iter().flatten();
        members.extend(users.filter_map(|user| Some((id.clone(), EntityRef::parse(user, "user", &id.namespace)?))));
    }
    for (id, group) in &index.groups {
        // What a group says of itself goes first.
        if let Some(parent) =
            group.spec.parent.as_deref().and_then(|text| EntityRef::parse(text, "group", &id.namespace))
        {
            parents.insert(id.clone(), parent);
        }
    }
    for (user, User { groups, .. }) in &index.users {
        members.extend(groups.iter().map(|group| (group.clone(), user.clone())));
    }
    for (child, parent) in parents {
        if let Some(group) = index.groups.get_mut(&child) {
            group.parent = Some(parent);
        }
    }
    for (group, user) in members {
        if let Some(group) = index.groups.get_mut(&group) {
            group.members.insert(user);
        }
    }
}

/// The one person who answers for a group's cost: whom its annotation names; its only member; its own mail address.
fn owner(group: &Group<'_>, index: &Index<'_>) -> Option<String> {
    let entity = group.entity;
    let named = entity.annotations.get(OWNER).map(|text| text.trim()).filter(|text| !text.is_empty());
    if let Some(text) = named {
        let user = EntityRef::parse(text, "user", &entity.id.namespace).and_then(|id| index.users.get(&id));
        let plain = text.strip_prefix("user:").map_or(text, |rest| rest.rsplit('/').next().unwrap_or(rest));
        return Some(user.map_or_else(|| plain.to_owned(), |user| user.person.clone()));
    }
    let mut members = group.members.iter();
    if let (Some(only), None) = (members.next(), members.next()) {
        return Some(index.users.get(only).map_or_else(|| only.name.clone(), |user| user.person.clone()));
    }
    group.spec.profile.email.clone().filter(|email| !email.trim().is_empty())
}

/// The team behind a reference: of the catalog, or one that is said elsewhere.
fn find(teams: &BTreeMap<EntityRef, TeamId>, id: &EntityRef, known: &Ownership) -> Option<TeamId> {
    let called = super::entity_ref::called(&id.namespace, &id.name);
    let elsewhere = || {
        let mut others =
            known.teams.keys().filter(|team| known.origin(Kind::Team, team.as_str()) != Some(Origin::Backstage));
        others.find(|team| team.as_str().to_lowercase() == called).cloned()
    };
    teams.get(id).cloned().or_else(elsewhere)
}

/// Whose a component is, and the system it is part of.
fn owned(
    id: &EntityRef,
    spec: &OwnedSpec,
    index: &Index<'_>,
    teams: &BTreeMap<EntityRef, TeamId>,
    known: &Ownership,
) -> Result<(TeamId, Option<String>), String> {
    let system = spec.system.as_deref().and_then(|text| EntityRef::parse(text, "system", &id.namespace));
    let of_system = system.as_ref().and_then(|system| index.systems.get(system));
    let named = system.as_ref().map(|system| {
        of_system.map_or_else(
            || super::entity_ref::called(&system.namespace, &system.name),
            |(entity, _)| entity.name.clone(),
        )
    });
    let own = spec.owner.as_deref().map(|owner| (owner, &id.namespace));
    let inherited = || {
        let (entity, spec) = of_system?;
        Some((spec.owner.as_deref()?, &entity.id.namespace))
    };
    let (owner, namespace) = own.or_else(inherited).ok_or("has no owner: give it a spec.owner, or its system one")?;
    let owner = EntityRef::parse(owner, "group", namespace)
        .ok_or_else(|| format!("has an owner, {owner:?}, that is no reference"))?;
    let team = match owner.kind.as_str() {
        "group" => find(teams, &owner, known)
            .ok_or_else(|| format!("is owned by {owner}, which is not in the catalog, or left out"))?,
        "user" => {
            let user =
                index.users.get(&owner).ok_or_else(|| format!("is owned by {owner}, who is not in the catalog"))?;
            match user.groups.as_slice() {
                [group] => find(teams, group, known)
                    .ok_or_else(|| format!("is owned by {owner}, whose {group} is not in the catalog, or left out"))?,
                groups => {
                    let count = groups.len();
                    return Err(format!(
                        "is owned by {owner}, who is in {count} groups: cost is a team's; name the group"
                    ));
                }
            }
        }
        _ => return Err(format!("is owned by {owner}: name a group")),
    };
    Ok((team, named))
}
