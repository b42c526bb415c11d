//! Azure's regions. Bills name them in several ways: `EastUS`, `eastus`, `East US`, and older ones `US East`.

/// The id of each region, its name, and what older bills call it.
const REGIONS: &[(&str, &str, &str)] = &[
    ("australiacentral", "Australia Central", "aucentral"),
    ("australiacentral2", "Australia Central 2", "aucentral2"),
    ("australiaeast", "Australia East", "aueast"),
    ("australiasoutheast", "Australia Southeast", "ausoutheast"),
    ("austriaeast", "Austria East", "ateast"),
    ("belgiumcentral", "Belgium Central", "becentral"),
    ("brazilsouth", "Brazil South", "brsouth"),
    ("brazilsoutheast", "Brazil Southeast", "brsoutheast"),
    ("canadacentral", "Canada Central", "cacentral"),
    ("canadaeast", "Canada East", "caeast"),
    ("centralindia", "Central India", "incentral"),
    ("centralus", "Central US", "uscentral"),
    ("chilecentral", "Chile Central", "clcentral"),
    ("chinaeast", "China East", "cneast"),
    ("chinaeast2", "China East 2", "cneast2"),
    ("chinanorth", "China North", "cnnorth"),
    ("chinanorth2", "China North 2", "cnnorth2"),
    ("chinanorth3", "China North 3", "cnnorth3"),
    ("eastasia", "East Asia", "apeast"),
    ("eastus", "East US", "useast"),
    ("eastus2", "East US 2", "useast2"),
    ("francecentral", "France Central", "frcentral"),
    ("francesouth", "France South", "frsouth"),
    ("germanynorth", "Germany North", "denorth"),
    ("germanywestcentral", "Germany West Central", "dewestcentral"),
    ("indonesiacentral", "Indonesia Central", "idcentral"),
    ("israelcentral", "Israel Central", "ilcentral"),
    ("italynorth", "Italy North", "itnorth"),
    ("japaneast", "Japan East", "jaeast"),
    ("japanwest", "Japan West", "jawest"),
    ("koreacentral", "Korea Central", "krcentral"),
    ("koreasouth", "Korea South", "krsouth"),
    ("malaysiawest", "Malaysia West", "mywest"),
    ("mexicocentral", "Mexico Central", "mxcentral"),
    ("newzealandnorth", "New Zealand North", "nznorth"),
    ("northcentralus", "North Central US", "usnorthcentral"),
    ("northeurope", "North Europe", "eunorth"),
    ("norwayeast", "Norway East", "noeast"),
    ("norwaywest", "Norway West", "nowest"),
    ("polandcentral", "Poland Central", "plcentral"),
    ("qatarcentral", "Qatar Central", "qacentral"),
    ("southafricanorth", "South Africa North", "zanorth"),
    ("southafricawest", "South Africa West", "zawest"),
    ("southcentralus", "South Central US", "ussouthcentral"),
    ("southeastasia", "Southeast Asia", "apsoutheast"),
    ("southindia", "South India", "insouth"),
    ("spaincentral", "Spain Central", "escentral"),
    ("swedencentral", "Sweden Central", "secentral"),
    ("swedensouth", "Sweden South", "sesouth"),
    ("switzerlandnorth", "Switzerland North", "chnorth"),
    ("switzerlandwest", "Switzerland West", "chwest"),
    ("uaecentral", "UAE Central", "aecentral"),
    ("uaenorth", "UAE North", "aenorth"),
    ("uksouth", "UK South", "gbsouth"),
    ("ukwest", "UK West", "gbwest"),
    ("usdodcentral", "US DoD Central", "usgovdodcentral"),
    ("usdodeast", "US DoD East", "usgovdodeast"),
    ("usgovarizona", "US Gov Arizona", "usgovaz"),
    ("usgovtexas", "US Gov Texas", "usgovtx"),
    ("usgovvirginia", "US Gov Virginia", "usgovva"),
    ("westcentralus", "West Central US", "uswestcentral"),
    ("westeurope", "West Europe", "euwest"),
    ("westindia", "West India", "inwest"),
    ("westus", "West US", "uswest"),
    ("westus2", "West US 2", "uswest2"),
    ("westus3", "West US 3", "uswest3"),
    ("global", "Global", "allregions"),
];

/// What stands for no region.
const NONE: &[&str] = &["", "unassigned", "unknown", "na", "none"];

/// The id and the name of a region; of one that is not known, what the bill says.
pub(super) fn region(native: &str) -> Option<(String, String)> {
    let id: String = native.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if NONE.contains(&id.as_str()) {
        return None;
    }
    match REGIONS.iter().find(|(known, _, old)| *known == id || *old == id) {
        Some((id, name, _)) => Some(((*id).to_owned(), (*name).to_owned())),
        None => Some((id, native.trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_known_by_all_their_names() {
        for (native, id, name) in [
            ("EastUS", "eastus", "East US"),
            ("US East", "eastus", "East US"),
            ("west europe", "westeurope", "West Europe"),
            ("EU West", "westeurope", "West Europe"),
            ("Moon Base 1", "moonbase1", "Moon Base 1"),
        ] {
            assert_eq!(region(native), Some((id.to_owned(), name.to_owned())), "{native}");
        }
        assert_eq!(region("Unassigned"), None);
    }
}
