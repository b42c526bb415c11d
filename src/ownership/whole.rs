//! What an origin says, held against what all the others say.

use std::collections::BTreeSet;

use outlay_model::ownership::{
    Dated, Definition, Edit, Kind, Origin, Ownership, OwnershipProblem, Pool, Series, Split, Team, ValueMap,
};

/// Who says something, for people.
pub(super) const fn teller(origin: Origin) -> &'static str {
    match origin {
        Origin::Api => "the API or the command line",
        Origin::File => "the ownership file",
        Origin::Backstage => "the Backstage catalog",
    }
}

/// What would be wrong if an origin said exactly this. `lost` are names that it says as well, but nobody can read how: they
/// stand for themselves, and only what names them is looked at.
pub(super) fn problems(
    known: &Ownership,
    origin: Origin,
    said: &[(String, Definition)],
    lost: &BTreeSet<(Kind, String)>,
) -> Vec<OwnershipProblem> {
    let mut after = known.clone();
    let stand_ins = lost.iter().filter_map(|(kind, name)| Some((name.clone(), stand_in(*kind)?)));
    let said: Vec<_> = stand_ins.chain(said.iter().cloned()).collect();
    known.edits_to(origin, said).into_iter().for_each(|edit| after.edit(edit, origin));
    let of_lost = |problem: &OwnershipProblem| lost.contains(&(problem.kind, problem.name.clone()));
    after.problems().into_iter().filter(|problem| !of_lost(problem)).collect()
}

/// Something of this kind that others can name.
fn stand_in(kind: Kind) -> Option<Definition> {
    Some(match kind {
        Kind::Team => Definition::Team(Team { owner: Dated::always("nobody".to_owned()), ..Team::default() }),
        Kind::Map => Definition::Map(ValueMap::default()),
        Kind::Pool => Definition::Pool(Pool { split: Dated::<Split>::default(), about: None }),
        Kind::Series => Definition::Series(Series { unit: "one".to_owned(), about: None }),
        // Nothing names these.
        Kind::Component | Kind::Rule => return None,
    })
}

/// The whole after some changes.
pub(super) fn after(known: &Ownership, edits: &[Edit], origin: Origin) -> Ownership {
    let mut after = known.clone();
    edits.iter().cloned().for_each(|edit| after.edit(edit, origin));
    after
}
