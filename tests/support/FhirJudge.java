import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;

/** Judges each resource that comes in as a line of JSON, by FHIR R4 and by the profiles whose files are its arguments. */
public class FhirJudge {
    public static void main(String[] arguments) throws Exception {
        FhirValidator validator = validator(arguments);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            for (SingleValidationMessage said : validator.validateWithResult(line).getMessages()) {
                String words = said.getMessage().replace('\n', ' ');
                System.out.println(said.getSeverity() + " " + said.getLocationString() + " " + words);
            }
            System.out.println("== judged");
            System.out.flush();
        }
    }

    private static FhirValidator validator(String[] profiles) throws Exception {
        FhirContext context = FhirContext.forR4();
        PrePopulatedValidationSupport own = new PrePopulatedValidationSupport(context);
        for (String profile : profiles) {
            IBaseResource resource = context.newJsonParser().parseResource(Files.readString(Path.of(profile)));
            own.addResource(resource);
        }
        ValidationSupportChain known =
                new ValidationSupportChain(
                        own,
                        new DefaultProfileValidationSupport(context),
                        new InMemoryTerminologyServerValidationSupport(context),
                        new CommonCodeSystemsTerminologyService(context),
                        new SnapshotGeneratingValidationSupport(context));
        return context.newValidator().registerValidatorModule(new FhirInstanceValidator(known));
    }
}
